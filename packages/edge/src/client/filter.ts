/** `path=value`: which events to show. Pure. */
import { isRecord } from '@wazo-websocketd/shared/domain/guards'

export interface Filter {
  readonly path: readonly string[]
  /** As it was given; equals a text, or the JSON of any other value. */
  readonly value: string
}

/** Reads `data.call_id=123`; null when it has no `=`, or an empty word before it. */
export function parseFilter(text: string): Filter | null {
  const at = text.indexOf('=')
  if (at < 1) return null
  const path = text.slice(0, at).split('.')
  return path.includes('') ? null : { path, value: text.slice(at + 1) }
}

/** Whether the body has that value at that path; elements of lists are counted from 0. */
export function passes({ path, value }: Filter, body: unknown): boolean {
  let found = body
  for (const key of path) {
    if (Array.isArray(found)) found = found[Number(key)] as unknown
    else if (isRecord(found) && Object.hasOwn(found, key)) found = found[key]
    else return false
  }
  return found === value || (found !== undefined && JSON.stringify(found) === value)
}

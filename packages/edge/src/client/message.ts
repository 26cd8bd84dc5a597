/** The server's messages as a client of version 2 reads them (PROTOCOL.md, "Ops and replies"). Pure. */
import { isRecord, parseJson } from '@wazo-websocketd/shared/domain/guards'

export type Received =
  /** `resumeSeconds`: how far back positions reach; null: this server has none. */
  | { readonly kind: 'init'; readonly resumeSeconds: number | null }
  /** `id`: the session's position, if it has one; `why`: why it was not resumed, null when it was. */
  | { readonly kind: 'start'; readonly id: string | null; readonly why: string | null }
  /** `body`: byte for byte as it was published; `id`: the position behind it. */
  | { readonly kind: 'event'; readonly body: string; readonly id: string | null }
  | { readonly kind: 'other' }

const EVENT_PREFIX = /^\{"op":"event","code":0,(?:"id":("[^"]*"),)?"data":/

/** Understands one text frame; what no client needs to act on is `other`. */
export function parseServerMessage(text: string): Received {
  const [prefix, quoted] = EVENT_PREFIX.exec(text) ?? []
  if (prefix !== undefined)
    return {
      kind: 'event',
      body: text.slice(prefix.length, -1),
      id: quoted === undefined ? null : String(JSON.parse(quoted)),
    }
  const message = parseJson(text)
  if (!isRecord(message)) return { kind: 'other' }
  const data = isRecord(message['data']) ? message['data'] : {}
  if (message['op'] === 'init') {
    const { resume } = data
    const seconds = isRecord(resume) ? resume['seconds'] : null
    return { kind: 'init', resumeSeconds: typeof seconds === 'number' ? seconds : null }
  }
  if (message['op'] !== 'start') return { kind: 'other' }
  const { id, resumed, why } = data
  return {
    kind: 'start',
    id: typeof id === 'string' ? id : null,
    why: resumed === true ? null : typeof why === 'string' ? why : 'the server has no positions',
  }
}

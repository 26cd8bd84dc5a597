/** How events look on the terminal or in a pipe. Pure. */
import { isRecord } from '@wazo-websocketd/shared/domain/guards'

export type Style = 'json' | 'pretty'

// A JSON text may have control characters above 127, which a terminal may obey. It has lower ones only as white space.
const CONTROLS = /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g
const LINE_ENDS = /[\r\n]+/g

/**
 * The text of one event, with its line end. `json` is the body as it was published, in one line. `pretty` is a line with time
 * and name, and the data below; a body that JavaScript cannot parse (Python's NaN) comes as it is.
 * @param parsed the body, or undefined where it cannot be parsed
 */
export function printed(style: Style, body: string, parsed: unknown): string {
  if (style === 'json') return `${body.replace(LINE_ENDS, ' ')}\n`
  if (!isRecord(parsed)) return `${escaped(body)}\n\n`
  const { name, timestamp, data } = parsed
  const time = typeof timestamp === 'string' ? `${timestamp}  ` : ''
  const title = typeof name === 'string' ? JSON.stringify(name).slice(1, -1) : '(no name)'
  return escaped(`${JSON.stringify(time).slice(1, -1)}${title}\n${JSON.stringify(data ?? null, null, 2)}\n\n`)
}

function escaped(text: string): string {
  return text.replace(CONTROLS, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

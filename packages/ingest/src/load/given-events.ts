/** Events that someone wrote in JSON. Pure. */
import { isRecord, parseJson } from '@wazo-websocketd/shared/domain/guards'

/** The body of an event, and where it goes. */
export interface GivenEvent {
  /** null: the exchange of Wazo's daemons. */
  readonly exchange: string | null
  readonly routingKey: string
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: Readonly<Record<string, unknown>>
}

/** Says in one line what was given that is no event, and why. */
export class GivenEventError extends Error {
  override name = 'GivenEventError'
}

/**
 * Reads one event, a list of them, or an event a line. An event is the body, whose keys but `data` become the headers too, or
 * an object with `headers` and `body` (and `exchange`, `routing_key`), as in samples/events.json.
 * @throws {GivenEventError}
 */
export function parseGivenEvents(text: string): readonly GivenEvent[] {
  const values = valuesOf(text)
  if (values.length === 0) throw new GivenEventError('there is no event')
  return values.map((value, at) => {
    if (!isRecord(value)) throw new GivenEventError(`event ${at + 1} is no JSON object`)
    const { headers, body, exchange, routing_key: routingKey } = value
    if (isRecord(headers) && isRecord(body))
      return {
        exchange: typeof exchange === 'string' ? exchange : null,
        routingKey: typeof routingKey === 'string' ? routingKey : '',
        headers,
        body,
      }
    if (typeof value['name'] !== 'string') throw new GivenEventError(`event ${at + 1} has no name`)
    const envelope = Object.fromEntries(Object.entries(value).filter(([key]) => key !== 'data'))
    return { exchange: null, routingKey: '', headers: envelope, body: value }
  })
}

function valuesOf(text: string): readonly unknown[] {
  const whole = parseJson(text)
  if (whole !== undefined) return Array.isArray(whole) ? whole : [whole]
  const lines = text.split('\n').map((line) => line.trim())
  return lines.flatMap((line, at) => {
    if (line === '') return []
    const value = parseJson(line)
    if (value === undefined) throw new GivenEventError(`line ${at + 1} is not JSON, nor is the whole`)
    return [value]
  })
}

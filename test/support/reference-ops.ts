/** The ops of a client, read simply. */

export type Op =
  | { readonly op: 'subscribe'; readonly name: string }
  | { readonly op: 'start' }
  | { readonly op: 'ping'; readonly payload: string }
  | { readonly op: 'token'; readonly token: string }
  | { readonly op: 'fault'; readonly fault: string }

type Keys = Readonly<Record<string, unknown>>

/** What a frame asks for, or what is wrong with it. */
export function readOp(data: Buffer, binary: boolean): Op {
  if (binary) return fault('binary frame')
  const text = data.toString('utf8')
  let root: unknown
  try {
    root = JSON.parse(text)
  } catch {
    return fault('not JSON')
  }
  if (!isObject(root)) return fault('not an object')
  const { op, data: argument } = root
  if (op === 'start') return { op }
  if (op !== 'subscribe' && op !== 'ping' && op !== 'token') return fault('unknown op')
  if (!isObject(argument)) return fault('no data')
  if (op === 'ping') {
    const payload = member(member(text, 'data') ?? '{}', 'payload')
    return payload === undefined ? fault('no payload') : { op, payload }
  }
  const value = op === 'subscribe' ? argument['event_name'] : argument['token']
  if (typeof value !== 'string') return fault('argument missing or not a string')
  return op === 'subscribe' ? { op, name: value } : { op, token: value }
}

function fault(reason: string): Op {
  return { op: 'fault', fault: reason }
}

function isObject(value: unknown): value is Keys {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The text of one member of an object, as it is spelt. The object is known to be valid JSON. */
function member(text: string, key: string): string | undefined {
  const tokens = [...text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g)]
  let depth = 0
  let found: string | undefined
  for (let at = 0; at < tokens.length; at++) {
    const [token] = tokens[at]!
    if (depth === 1 && tokens[at + 1]?.[0] === ':' && JSON.parse(token) === key) {
      const begin = tokens[at + 2]!.index
      let nested = 0
      for (at += 2; ; at++) {
        const [inner] = tokens[at]!
        if (inner === '{' || inner === '[') nested++
        if (inner === '}' || inner === ']') nested--
        if (nested === 0) break
      }
      found = text.slice(begin, tokens[at]!.index + tokens[at]![0].length)
      continue
    }
    if (token === '{' || token === '[') depth++
    if (token === '}' || token === ']') depth--
  }
  return found
}

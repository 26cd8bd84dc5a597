/** Reads and guards values that come from outside: JSON of clients and servers, messages of other processes. */

/** The value of a JSON text; undefined, which no JSON text says, where it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Whether `value` is an object with named members; arrays and null are none. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether `value` is an array of byte strings, as Redis answers; the empty array is one. */
export function isBuffers(value: unknown): value is readonly Buffer[] {
  return Array.isArray(value) && value.every((item) => Buffer.isBuffer(item))
}

/** Whether `value` is an array of strings; the empty array is one. */
export function isStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

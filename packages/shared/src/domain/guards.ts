/** Type guards for values that come from outside: JSON of clients and servers, messages of other processes. */

/** Whether `value` is an object with named members; arrays and null are none. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether `value` is an array of strings; the empty array is one. */
export function isStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

/** Values that a program may not expect, and texts of JSON that hold them. */
import fc from 'fast-check'

const MIB = 1024 * 1024

/** Names that mean something to JavaScript, to the protocol, or to neither. */
export const oddName = fc.constantFrom(
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', '*', '', 'foo', 'bar', 'x'.repeat(257)],
  ...['\u0000', '\ud800', '\udfff\ud800', '\ufeff', '\u2028', '"\\', '\u{1f600}', '\u007f', 'é', '.', '#'],
)

/** JSON texts of single values, and among them numbers that no double holds. */
const scalar = fc.oneof(
  fc.constantFrom(
    'null',
    'true',
    'false',
    '0',
    '-0',
    '1.0',
    '1e999',
    '12345678901234567890',
    '-1E-400',
    '1E+2',
  ),
  fc.constantFrom('""', '"*"', '"\\ud800"', '"\\u0000"', '"\\/"', ' 1', '\t[\r\n]', '{}'),
  oddName.map((name) => JSON.stringify(name)),
  fc.integer().map(String),
)
const noScalar = fc.constantFrom(
  ...[
    'NaN',
    'Infinity',
    '-Infinity',
    'undefined',
    '01',
    '+1',
    '1.',
    '.5',
    "'x'",
    '"',
    '\ufeff',
    '',
    '"\u0001"',
  ],
  ...['"\\x41"', '[1,]', '{"a":1,}', '{a:1}', '/**/1', '1 2', 'nul', '['],
)
const nested = fc
  .oneof({ weight: 20, arbitrary: fc.nat(6) }, { weight: 1, arbitrary: fc.constantFrom(500, 9_000) })
  .map((depth) => '['.repeat(depth) + '1' + ']'.repeat(depth))

/** JSON text of any value. */
export const json: fc.Arbitrary<string> = fc.oneof(
  { weight: 8, arbitrary: scalar },
  { weight: 1, arbitrary: nested },
  { weight: 1, arbitrary: fc.array(scalar, { maxLength: 3 }).map((items) => `[${items.join()}]`) },
  { weight: 2, arbitrary: fc.array(fc.tuple(oddName, scalar), { maxLength: 3 }).map(objectText) },
)

/** What may be JSON text, or nearly. */
export const oddJson: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: json },
  { weight: 1, arbitrary: noScalar },
  { weight: 1, arbitrary: fc.tuple(oddName, noScalar).map((member) => objectText([member])) },
)

/** Up to so many bytes of noise. Cheaper by far than an array of random bytes, and made smaller by its length alone. */
export function noise(bytesMax: number, bytesMin = 0): fc.Arbitrary<Buffer> {
  return fc.tuple(fc.integer({ min: bytesMin, max: bytesMax }), fc.nat()).map(([length, seed]) => {
    const bytes = Buffer.alloc(length)
    let state = seed
    for (let i = 0; i < length; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      bytes[i] = state >>> 24
    }
    return bytes
  })
}

/** The JSON text of an object, in this order; a name may come twice. */
export function objectText(members: readonly (readonly [name: string, value: string])[]): string {
  return `{${members.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join()}}`
}

/** Bytes with some of them changed, lost or added. */
export function damaged(bytes: fc.Arbitrary<Uint8Array>, changesMax = 3): fc.Arbitrary<Buffer> {
  return fc.tuple(bytes, fc.array(damage, { maxLength: changesMax })).map(([whole, changes]) => {
    let result = Buffer.from(whole)
    for (const { kind, at, value } of changes) {
      const place = Math.floor(at * (result.length + 1))
      const [before, after] = [result.subarray(0, place), result.subarray(place)]
      if (kind === 'cut') result = Buffer.from(before)
      else if (kind === 'add') result = Buffer.concat([before, value, after])
      else if (kind === 'drop') result = Buffer.concat([before, after.subarray(value.length)])
      else result = Buffer.concat([before, value, after.subarray(value.length)])
    }
    return result
  })
}

const damage = fc.record({
  kind: fc.constantFrom('set', 'set', 'set', 'add', 'drop', 'cut'),
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  value: noise(4, 1),
})

/** Text that is too large for a bound of `mib` MiB by some bytes, or not quite. */
export function about(mib: number): fc.Arbitrary<string> {
  return fc.integer({ min: -40, max: 40 }).map((off) => 'x'.repeat(mib * MIB + off))
}

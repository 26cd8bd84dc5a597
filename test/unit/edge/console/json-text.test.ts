import { expect } from 'chai'
import fc from 'fast-check'

const { prettyJson } = (await import(
  new URL('../../../../packages/edge/console/json-text.js', import.meta.url).href
)) as { prettyJson: (text: string) => string }

describe("The console's indentation of JSON text", () => {
  it('gives what JSON.stringify gives, for every value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(prettyJson(JSON.stringify(value))).to.equal(JSON.stringify(value, null, 2))
      }),
    )
  })

  it('keeps numbers and the order of keys as they were sent', () => {
    expect(prettyJson('{"b":12345678901234567890, "a" :1.0,"":[ ]}')).to.equal(
      '{\n  "b": 12345678901234567890,\n  "a": 1.0,\n  "": []\n}',
    )
  })

  it('does not take braces in strings for structure', () => {
    expect(prettyJson('{"a":"{\\"[,:"}')).to.equal('{\n  "a": "{\\"[,:"\n}')
  })
})

import { printed } from '@wazo-websocketd/edge/client/printer'
import { expect } from 'chai'

describe('What the tail prints', () => {
  it('is with json the body as it was published, in one line', () => {
    expect(printed('json', '{"a":1.0,\r\n"b":12345678901234567890}', undefined)).to.equal(
      '{"a":1.0, "b":12345678901234567890}\n',
    )
  })

  it('is with pretty time, name and data', () => {
    const body = { name: 'x', timestamp: '2026-11-24T10:15:30.123456', data: { n: 1 } }
    expect(printed('pretty', JSON.stringify(body), body)).to.equal(
      '2026-11-24T10:15:30.123456  x\n{\n  "n": 1\n}\n\n',
    )
    expect(printed('pretty', '{}', {})).to.equal('(no name)\nnull\n\n')
  })

  it('is with pretty the body itself where JavaScript cannot read it', () => {
    expect(printed('pretty', '{"n":NaN}', undefined)).to.equal('{"n":NaN}\n\n')
  })

  it('holds with pretty nothing that a terminal obeys', () => {
    const body = { name: 'a\u001b[2J\u009b2J', timestamp: '\u0007', data: { text: '\u009b\u202e\u007f' } }
    const text = printed('pretty', JSON.stringify(body), body)
    const codes = Array.from(text, (character) => character.charCodeAt(0))
    const obeyed = codes.filter(
      (code) => (code < 32 && code !== 10) || (code > 126 && code < 160) || code === 0x202e,
    )
    expect(obeyed).to.deep.equal([])
  })
})

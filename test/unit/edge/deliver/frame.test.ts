import { expect } from 'chai'
import * as ws from 'ws'
import { frameString, frameText } from '@wazo-websocketd/edge/deliver/frame'

/** `ws` exports its framing, but its types do not say so. */
const { Sender } = ws as unknown as {
  Sender: { frame(data: Buffer, options: object): Buffer[] }
}

function reference(payload: Buffer): Buffer {
  return Buffer.concat(
    Sender.frame(payload, { fin: true, opcode: 1, mask: false, rsv1: false, readOnly: true }),
  )
}

describe('frameText', () => {
  for (const length of [0, 1, 125, 126, 127, 65_535, 65_536, 70_000])
    it(`frames ${length} bytes as ws does`, () => {
      const payload = Buffer.alloc(length, 'x')
      expect(Buffer.compare(Buffer.from(frameText(payload)), reference(payload))).to.equal(0)
    })

  it('joins the parts of a payload', () => {
    const parts = [Buffer.from('a'), Buffer.from('bé'), Buffer.from('c')]
    expect(Buffer.from(frameText(...parts))).to.deep.equal(reference(Buffer.from('abéc')))
  })
})

describe('frameString', () => {
  it('frames UTF-8', () => {
    expect(Buffer.from(frameString('né'))).to.deep.equal(reference(Buffer.from('né')))
  })
})

import { parseServerMessage } from '@wazo-websocketd/edge/client/message'
import { encodeServerMessage, positionedEventPrefix } from '@wazo-websocketd/shared/domain/protocol'
import { expect } from 'chai'

describe('A message of the server', () => {
  it('that is an event gives the body byte for byte, with the position behind it', () => {
    const body = '{"name":"x", "big":12345678901234567890, "n":NaN}'
    expect(parseServerMessage(`${positionedEventPrefix('1.a-b')}${body}}`)).to.deep.equal({
      kind: 'event',
      body,
      id: '1.a-b',
    })
    expect(parseServerMessage(`{"op":"event","code":0,"data":${body}}`)).to.deep.equal({
      kind: 'event',
      body,
      id: null,
    })
  })

  it('that is init tells how far back positions reach', () => {
    for (const resumeSeconds of [120, null])
      expect(
        parseServerMessage(encodeServerMessage({ op: 'init', version: 2, resumeSeconds })),
      ).to.deep.equal({ kind: 'init', resumeSeconds })
  })

  it('that answers start tells where the session is, and why it was not resumed', () => {
    const reply = (resumption: Parameters<typeof encodeServerMessage>[0]) =>
      parseServerMessage(encodeServerMessage(resumption))
    expect(reply({ op: 'start', resumption: { resumed: true, id: 'p' } })).to.deep.equal({
      kind: 'start',
      id: 'p',
      why: null,
    })
    expect(reply({ op: 'start', resumption: { resumed: false, id: 'p', why: 'too old' } })).to.deep.equal({
      kind: 'start',
      id: 'p',
      why: 'too old',
    })
    expect(reply({ op: 'start', resumption: null })).to.deep.equal({
      kind: 'start',
      id: null,
      why: 'the server has no positions',
    })
  })

  it('is otherwise nothing to act on', () => {
    for (const text of ['{"op":"pong","code":0,"data":{"payload":1}}', 'null', 'no JSON', '[]', '{"op":1}'])
      expect(parseServerMessage(text), text).to.deep.equal({ kind: 'other' })
  })
})

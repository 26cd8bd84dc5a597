import { expect } from 'chai'
import { DIALECTS } from '../../bench/load/dialect.js'
import { clientFrame, PING, PONG_OPCODE, TEXT } from '../../support/frames.js'

describe("the dialects of the bench's clients", () => {
  it("take this project's session for ready only at the reply to start", () => {
    const { wazo } = DIALECTS
    const meaningOf = (text: string) => wazo.greet(TEXT, Buffer.from(text)).meaning
    expect(meaningOf('{"op":"init","code":0,"data":{"version":2}}')).to.equal('admitted')
    expect(meaningOf('{"op":"subscribe","code":0,"data":null}')).to.equal('other')
    expect(meaningOf('{"op":"start","code":0,"data":null}')).to.equal('ready')
    expect(wazo.upgraded).to.equal('other')
  })

  it('take a silent client of this project for ready once it is admitted, and let it say nothing', () => {
    const silent = DIALECTS['wazo, silent']
    const meaningOf = (text: string) => silent.greet(TEXT, Buffer.from(text)).meaning
    expect(meaningOf('{"op":"init","code":0,"data":{"version":2}}')).to.equal('ready')
    expect([silent.opening, silent.upgraded]).to.deep.equal([null, 'other'])
  })

  it('answer pings of WebSocket', () => {
    const pong = clientFrame('', { opcode: PONG_OPCODE })
    for (const dialect of Object.values(DIALECTS)) expect(dialect.answer(PING, 0)).to.deep.equal(pong)
    expect(DIALECTS.wazo.greet(PING, Buffer.alloc(0)).reply).to.deep.equal(pong)
  })

  it("connect to Socket.IO's namespace and answer Engine.IO's pings, which are no events", () => {
    const dialect = DIALECTS['socket.io']
    expect(dialect.greet(TEXT, Buffer.from('0{"sid":"x"}')).reply).to.deep.equal(clientFrame('40'))
    expect(dialect.greet(TEXT, Buffer.from('40{"sid":"x"}')).meaning).to.equal('ready')
    const ping = '2'.charCodeAt(0)
    expect(dialect.isEvent(TEXT, ping)).to.equal(false)
    expect(dialect.isEvent(TEXT, '4'.charCodeAt(0))).to.equal(true)
    expect(dialect.answer(TEXT, ping)).to.deep.equal(clientFrame('3'))
  })
})

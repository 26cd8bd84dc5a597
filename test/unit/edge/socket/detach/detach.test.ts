import { attach } from '@wazo-websocketd/edge/socket/detach/attach'
import { findObstacle } from '@wazo-websocketd/edge/socket/detach/ws-internals'
import { detach, type Detached } from '@wazo-websocketd/edge/socket/detach/detach'
import { expect } from 'chai'
import { clientFrame } from '../../../../support/frames.js'
import { Pair, eventually, turns } from '../../../../support/socket-pair.js'

const PING = Buffer.from([0x89, 0])

describe('a connection that is detached', () => {
  let pair: Pair

  beforeEach(async () => {
    pair = await Pair.open()
  })
  afterEach(() => pair.close())

  const released = (): Detached => {
    const result = detach(pair.adapter)
    if ('transient' in result) throw new Error(result.reason)
    return result
  }
  const heard = async (...texts: string[]) => {
    await eventually(() => pair.heard.length >= texts.length)
    expect(pair.heard).to.deep.equal(texts)
  }
  /** What the other process would do with its own reference to the same connection. */
  const attachHere = ({ handle, head }: Detached) => {
    pair.adapter.handedOver()
    return pair.take(attach({ handle, head }, pair.webSockets.options, pair.context))
  }

  it('is refused with the reason, and works on', async () => {
    const frame = clientFrame('hello')
    pair.client.write(frame.subarray(0, 3))
    const { ws, stream } = pair.adapter.transport
    await eventually(() => findObstacle(ws, stream) !== null)
    expect(detach(pair.adapter)).to.deep.equal({ reason: 'mid-frame', transient: true })
    pair.client.write(frame.subarray(3))
    await heard('hello')
    pair.adapter.sendFrames([Buffer.from('answer')])
    expect(await eventually(() => pair.received.toString() === 'answer')).to.equal(true)
  })

  it('is neither pinged nor judged, and after its return pinged as a new one', async () => {
    pair.clock.advance(1_000)
    await eventually(() => pair.received.length === 2)
    const { restore } = released()
    pair.clock.advance(60_000)
    await turns()
    expect(pair.received).to.deep.equal(PING)
    expect(pair.heard).to.deep.equal([])
    restore()
    pair.clock.advance(2_500)
    await eventually(() => pair.received.length >= 4)
    expect(pair.received.subarray(0, 4)).to.deep.equal(Buffer.concat([PING, PING]))
    expect(pair.heard).to.deep.equal([])
    pair.clock.advance(5_000)
    await heard('<closed 1006>')
  })

  it('sends a close frame that was decided on the way when it comes back', async () => {
    const { restore } = released()
    pair.adapter.close({ code: 4003, reason: '', comeBack: false })
    await turns()
    expect(pair.received).to.have.length(0)
    restore()
    await eventually(() => pair.received.length === 4)
    expect(pair.received).to.deep.equal(Buffer.from([0x88, 2, 4003 >> 8, 4003 & 255]))
    pair.client.write(clientFrame(Buffer.from([4003 >> 8, 4003 & 255]), { opcode: 8 }))
    await heard('<closed 4003>')
  })

  it('does not report its end when it has moved, and is pinged no more', async () => {
    const { moved } = released()
    moved()
    await turns()
    expect(pair.heard).to.deep.equal([])
    expect(pair.clock.pending).to.equal(0)
  })

  it('speaks through its new adapter, frames of the head first', async () => {
    pair.adapter.pause()
    pair.client.write(Buffer.concat([clientFrame('1'), clientFrame('2'), clientFrame('3').subarray(0, 5)]))
    await eventually(() => pair.adapter.transport.stream.readableLength > 0)
    const travelling = released()
    expect(travelling.head.length).to.be.greaterThan(0)
    pair.client.write(Buffer.concat([clientFrame('3').subarray(5), clientFrame('4')]))
    attachHere(travelling)
    await heard('1', '2', '3', '4')
    pair.adapter.sendFrames([Buffer.from('answer')])
    expect(await eventually(() => pair.received.toString() === 'answer')).to.equal(true)
  })

  it('has the limits of the server, answers pings and is pinged', async () => {
    const travelling = released()
    attachHere(travelling)
    pair.client.write(clientFrame('hi', { opcode: 9 }))
    expect(await eventually(() => pair.received.equals(Buffer.from([0x8a, 2, 0x68, 0x69])))).to.equal(true)
    pair.clock.advance(1_000)
    expect(await eventually(() => pair.received.subarray(4).equals(PING))).to.equal(true)
    pair.client.write(clientFrame('x'.repeat((1 << 16) + 1)))
    await heard('<closed 1009>')
  })

  it('refuses text that is no UTF-8 after the move', async () => {
    attachHere(released())
    pair.client.write(clientFrame(Buffer.from([0xff])))
    await heard('<closed 1007>')
  })

  it('that its client has left is noticed after the move', async () => {
    const travelling = released()
    pair.client.resetAndDestroy()
    await turns()
    attachHere(travelling)
    await heard('<closed 1006>')
    expect(pair.clock.pending).to.equal(0)
  })

  it('moves over IPv6 as well', async () => {
    pair.close()
    pair = await Pair.open({ host: '::1' })
    attachHere(released())
    pair.client.write(clientFrame('six'))
    await heard('six')
  })
})

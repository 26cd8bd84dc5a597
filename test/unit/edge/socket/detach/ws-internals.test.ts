/** Fails when a new version of `ws` or Node has changed what the transfer relies on. */
import { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { canAttach } from '@wazo-websocketd/edge/socket/detach/attach'
import { canOpen, findObstacle, streamOver, suspend } from '@wazo-websocketd/edge/socket/detach/ws-internals'
import { expect } from 'chai'
import { clientFrame } from '../../../../support/frames.js'
import { WebSocket } from 'ws'
import { Pair, eventually, turns } from '../../../../support/socket-pair.js'

const SENT_MS_MAX = 9_000

describe('what detaching relies on in ws and node:net', () => {
  let pair: Pair

  beforeEach(async () => {
    pair = await Pair.open()
  })
  afterEach(() => pair.close())

  const obstacle = () => findObstacle(pair.adapter.transport.ws, pair.adapter.transport.stream)
  const until = async (wanted: ReturnType<typeof findObstacle>) => {
    await eventually(() => obstacle() === wanted)
    expect(obstacle()).to.equal(wanted)
  }
  const heard = async (...texts: string[]) => {
    await eventually(() => pair.heard.length >= texts.length)
    expect(pair.heard).to.deep.equal(texts)
  }

  it('is there under its name', () => {
    const { ws, stream } = pair.adapter.transport
    const internals = ws as unknown as { _receiver: object; _socket: Socket; setSocket: unknown }
    expect(internals._receiver).to.include({
      _state: 0,
      _bufferedBytes: 0,
      _fragmented: 0,
      writableLength: 0,
    })
    expect(internals._socket).to.equal(stream)
    expect(internals.setSocket).to.be.a('function')
    const { _handle: handle } = stream as unknown as { _handle: Record<string, unknown> }
    expect(handle).to.include({ reading: true, writeQueueSize: 0 })
    for (const method of ['readStart', 'readStop', 'close'])
      expect(handle[method], method).to.be.a('function')
    expect((stream as unknown as { _readableState: object })._readableState).to.have.property('ended', false)
  })

  it('is tried out before a connection is taken: a `ws` that has changed takes none', () => {
    const { options } = pair.webSockets
    expect(canAttach(options)).to.equal(true)
    const changed = (setSocket: unknown) => () => {
      const ws = new WebSocket(null as never, undefined, options)
      return Object.assign(ws, { setSocket })
    }
    expect(canOpen(changed(undefined), options)).to.equal(false)
    expect(
      canOpen(
        changed(() => undefined),
        options,
      ),
    ).to.equal(false)
    expect(canOpen(changed(WebSocket.prototype['setSocket' as never]), options)).to.equal(true)
  })

  it('shows each byte of a frame that has begun, and a frame of each length', async () => {
    for (const size of [0, 5, 300, 65_535]) {
      const text = 'x'.repeat(size)
      const frame = clientFrame(text)
      expect(obstacle()).to.equal(null)
      const cuts =
        size > 5 ? [1, 2, 3, 4, 7, 8, 9, frame.length - 1] : frame.subarray(1).map((_, at) => at + 1)
      let from = 0
      for (const to of cuts) {
        pair.client.write(frame.subarray(from, to))
        from = to
        await until('mid-frame')
      }
      pair.client.write(frame.subarray(from))
      await until(null)
      await heard(text)
      pair.heard.length = 0
    }
  })

  it('shows a fragmented message, around control frames too', async () => {
    pair.client.write(clientFrame('he', { fin: false }))
    await until('mid-message')
    pair.client.write(clientFrame('', { opcode: 9 }))
    await eventually(() => pair.received.length > 0)
    expect(obstacle()).to.equal('mid-message')
    pair.client.write(clientFrame('llo', { opcode: 0 }))
    await until(null)
    await heard('hello')
  })

  it('shows what has not been sent, in the stream and below it', async () => {
    pair.client.pause()
    const frame = Buffer.alloc(1 << 20)
    for (let i = 0; i < 16; i++) pair.adapter.sendFrames([frame])
    await turns()
    expect(obstacle()).to.equal('unsent')
    const { stream } = pair.adapter.transport
    const { _handle: handle } = stream as unknown as { _handle: { writeQueueSize: number } }
    expect(handle.writeQueueSize).to.be.greaterThan(0)
    pair.client.resume()
    // 16 MiB: seconds on a busy machine.
    await eventually(() => obstacle() === null, SENT_MS_MAX)
    expect(obstacle()).to.equal(null)
    expect(handle.writeQueueSize).to.equal(0)
  })

  it('shows that the connection is ending, whichever side ends it', async () => {
    pair.client.end()
    await until('closing')
    pair.close()
    pair = await Pair.open()
    pair.adapter.close({ code: 1012, reason: '', comeBack: true })
    expect(obstacle()).to.equal('closing')
    pair.close()
    pair = await Pair.open()
    pair.adapter.pause()
    pair.client.end(clientFrame('last'))
    await until('closing')
  })

  it('shows compression and TLS', async () => {
    pair.close()
    pair = await Pair.open({ perMessageDeflate: true })
    expect(obstacle()).to.equal('compression')
    expect(findObstacle(pair.adapter.transport.ws, new TLSSocket(new Socket()))).to.equal('tls')
  })

  it('keeps everything where it is when a field is missing, or another stream is meant', () => {
    const { ws, stream } = pair.adapter.transport
    expect(findObstacle(ws, streamOver((stream as unknown as { _handle: never })._handle))).to.equal(
      'unsupported',
    )
    const internals = ws as unknown as { _receiver: { _bufferedBytes: unknown } }
    internals._receiver._bufferedBytes = undefined
    expect(obstacle()).to.equal('unsupported')
    internals._receiver._bufferedBytes = 0
    stream.on('data', () => undefined)
    expect(obstacle()).to.equal('unsupported')
  })

  it('lets a suspended connection read and write nothing, and go on in order', async () => {
    const { stream } = pair.adapter.transport
    const suspended = suspend(stream)
    pair.client.write(clientFrame('one'))
    pair.adapter.sendFrames([Buffer.from('a')])
    pair.adapter.sendFrames([Buffer.from('b'), Buffer.from('c')])
    await turns()
    expect(pair.heard).to.deep.equal([])
    expect(pair.received.toString()).to.equal('')
    expect(suspended.head).to.have.length(0)
    suspended.restore()
    await heard('one')
    expect(await eventually(() => pair.received.toString() === 'abc')).to.equal(true)
    expect(obstacle()).to.equal(null)
  })

  it('hands out what a paused stream holds, and takes it back', async () => {
    pair.adapter.pause()
    pair.client.write(
      Buffer.concat([clientFrame('one'), clientFrame('two'), clientFrame('three').subarray(0, 4)]),
    )
    const { stream } = pair.adapter.transport
    await eventually(() => stream.readableLength > 0)
    const suspended = suspend(stream)
    expect(suspended.head.length).to.be.greaterThan(12)
    pair.client.write(clientFrame('three').subarray(4))
    await turns()
    suspended.restore()
    await turns()
    expect(pair.heard).to.deep.equal([])
    pair.adapter.resume()
    await heard('one', 'two', 'three')
  })

  it('closes the handle of a stream that was destroyed meanwhile', async () => {
    const { stream } = pair.adapter.transport
    const suspended = suspend(stream)
    stream.destroy()
    await turns()
    expect(pair.clientEnded).to.equal(false)
    suspended.restore()
    expect(await eventually(() => pair.clientEnded)).to.equal(true)
  })

  it('can be abandoned: the stream ends, its server forgets it, and the connection is not shut down', async () => {
    const { stream } = pair.adapter.transport
    const connections = () => (pair.http as unknown as { _connections: number })._connections
    expect(connections()).to.equal(1)
    pair.adapter.sendFrames([])
    const suspended = suspend(stream)
    pair.adapter.sendFrames([Buffer.from('late')])
    suspended.abandon()
    // The handle was the connection's only reference here, so the client sees its end, and nothing else.
    expect(await eventually(() => pair.clientEnded)).to.equal(true)
    expect(pair.received.toString()).to.equal('')
    expect(connections()).to.equal(0)
  })
})

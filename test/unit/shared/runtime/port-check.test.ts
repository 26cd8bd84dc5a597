import { checkPort } from '@wazo-websocketd/shared/runtime/port-check'
import { StartupError } from '@wazo-websocketd/shared/runtime/startup-error'
import { expect } from 'chai'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'

const KEYS = 'websocket.listen or websocket.port'
const failure = (host: string, port: number) =>
  checkPort(host, port, KEYS).then(
    () => 'free',
    (error: unknown) => (error instanceof StartupError ? error.message : String(error)),
  )

describe('the check of a port', () => {
  it('finds one that is in use, names the keys, and leaves one that is free as it was', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    expect(await failure('127.0.0.1', port)).to.match(
      /127\.0\.0\.1:\d+: in use by another program; change websocket\.listen/,
    )
    server.close()
    await once(server, 'close')
    expect(await failure('127.0.0.1', port)).to.equal('free')
    expect(await failure('127.0.0.1', port)).to.equal('free')
  })

  it('finds one that is in use on every address', async () => {
    const server = createServer().listen(0, '0.0.0.0')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    expect(await failure('0.0.0.0', port)).to.match(/in use/)
    server.close()
  })

  it('does not listen on the port, where somebody may wait for the program', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    server.close()
    await once(server, 'close')
    const probe = () =>
      new Promise<boolean>((resolve) => {
        const socket = connect(port, '127.0.0.1')
        socket.once('connect', () => {
          socket.destroy()
          resolve(true)
        })
        socket.once('error', () => resolve(false))
      })
    for (let i = 0; i < 50; i++) {
      const [answer, ...accepted] = await Promise.all([failure('127.0.0.1', port), probe(), probe(), probe()])
      expect([answer, ...accepted]).to.deep.equal(['free', false, false, false])
    }
  })

  it('finds an address that is not of this machine', async () => {
    expect(await failure('192.0.2.1', 0)).to.match(/not an address of this machine/)
  })
})

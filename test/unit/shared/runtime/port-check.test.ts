import { checkPort } from '@wazo-websocketd/shared/runtime/port-check'
import { StartupError } from '@wazo-websocketd/shared/runtime/startup-error'
import { expect } from 'chai'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'

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

  it('finds an address that is not of this machine', async () => {
    expect(await failure('192.0.2.1', 0)).to.match(/not an address of this machine/)
  })
})

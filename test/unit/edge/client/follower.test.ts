import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { Follower } from '@wazo-websocketd/edge/client/follower'
import { expect } from 'chai'

describe('A follower', () => {
  it('that is stopped while it waits for its first token begins no session', async () => {
    let connections = 0
    const server = createServer((socket) => {
      connections++
      socket.destroy()
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    let give: (token: string) => void = () => undefined
    let hasStopped = false
    const follower = new Follower({
      url: new URL(`ws://127.0.0.1:${(server.address() as AddressInfo).port}/`),
      names: ['*'],
      tokens: {
        current: () => new Promise((resolve) => (give = resolve)),
        another: () => Promise.resolve(null),
        keepFresh: () => undefined,
        stop: () => (hasStopped = true),
      },
      reconnect: true,
      event: () => undefined,
      started: () => undefined,
      retrying: () => undefined,
    })
    const run = follower.run()
    follower.stop()
    give('t')
    const end = await run
    server.close()
    expect(end).to.include({ code: 1000, refused: null })
    expect([connections, hasStopped]).to.deep.equal([0, true])
  })
})

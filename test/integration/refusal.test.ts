import { networkInterfaces } from 'node:os'
import { RedisFactory } from '@wazo-websocketd/shared/redis/client'
import { askForRefusal } from '@wazo-websocketd/shared/redis/refusal'
import { systemClock as clock } from '@wazo-websocketd/shared/runtime/clock'
import { expect } from 'chai'
import { connect, createServer, type Server } from 'node:net'
import { pino } from 'pino'
import { freePort } from '../support/port.mjs'
import { startProgram } from '../support/program.mjs'
import { startRedis } from '../support/redis.mjs'
import { waitFor } from '../support/wait.mjs'

const ROLES = ['expiry', 'commands']
const PASSWORD = 'hunter2hunter2'

/** The lines of connections of all kinds to one address, until each has one that `reason` matches. */
async function logged(url: string, reason: RegExp): Promise<string> {
  let log = ''
  const logger = pino({ level: 'debug' }, { write: (line: string) => void (log += line) })
  // One for each kind: those of one factory have one line for all.
  const factories = ROLES.map(() => new RedisFactory({ url, cluster: null, logger, clock }))
  factories[0]!.create('expiry', { failFast: true })
  factories[1]!.connectOnce('commands', { node: null })
  const told = () =>
    ROLES.every((role) => log.split('\n').some((line) => line.includes(`"${role}"`) && reason.test(line)))
  try {
    await waitFor(told, { what: reason.source, timeoutMs: 15_000 }).catch((error: unknown) => {
      throw new Error(`${String(error)}:\n${log}`)
    })
  } finally {
    for (const factory of factories) factory.close()
  }
  return log
}

/** A server that says one thing: what a Redis says to all, or in answer to a question. */
async function startSpeaker(greeting: string | null, answer: string): Promise<Server & { port: number }> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    if (greeting !== null) socket.end(greeting)
    else socket.on('data', (bytes) => socket.write(answer.repeat(bytes.toString().split('*').length)))
  })
  const port = await freePort()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return Object.assign(server, { port })
}

describe('a Redis that refuses connections', function () {
  this.timeout(40_000)

  it('because of maxclients is named with that reason, also by the programs', async () => {
    const redis = await startRedis({ args: ['--maxclients', '1'] })
    const occupant = connect(redis.port, '127.0.0.1')
    await new Promise((resolve) => occupant.once('connect', resolve))
    const log = await logged(redis.url, /maxclients.*max number of clients/)
    expect(log).to.not.match(/EPIPE|ECONNRESET/)
    const config = {
      bus: { port: 1 },
      redis: { url: redis.url },
      auth: { username: 'a', password: PASSWORD, key_file: null, port: 1 },
      websocket: { port: await freePort() },
      process_workers: 1,
      metrics: { edge_port: await freePort(), ingest_port: await freePort() },
    }
    for (const name of ['ingest', 'edge'] as const) {
      const program = await startProgram(name, { config })
      await waitFor(() => /maxclients.*max number of clients/.test(program.logs()), {
        timeoutMs: 20_000,
        what: name,
      })
      await program.stop()
      expect(program.logs()).to.not.include(PASSWORD)
    }
    occupant.destroy()
    await redis.stop()
  })

  it('because of a password that is missing or wrong', async () => {
    const redis = await startRedis({ password: PASSWORD })
    await logged(`redis://127.0.0.1:${redis.port}`, /wants a password/)
    const log = await logged(
      `redis://:wrong${PASSWORD}@127.0.0.1:${redis.port}`,
      /refuses the user or password/,
    )
    expect(log).to.not.include(PASSWORD)
    await redis.stop()
  })

  it('because of its protected mode', async function () {
    const here = Object.values(networkInterfaces())
      .flat()
      .find((address) => address?.family === 'IPv4' && !address.internal)?.address
    if (here === undefined) this.skip()
    const redis = await startRedis({ args: ['--bind', '0.0.0.0'] })
    await logged(`redis://${here}:${redis.port}`, /protected mode.*DENIED/)
    await redis.stop()
    expect(here).to.match(/[.]/)
  })

  it('while it loads its data', async () => {
    const loading = await startSpeaker(null, '-LOADING Redis is loading the dataset in memory\r\n')
    const log = await logged(`redis://127.0.0.1:${loading.port}`, /LOADING/)
    expect(log).to.include('Redis is loading the dataset')
    loading.close()
  })

  it('is asked in a way that shows no password where AUTH is not known to it', async () => {
    const args = `with args beginning with: '${PASSWORD}'`
    const strange = await startSpeaker(null, `-ERR unknown command 'AUTH', ${args}\r\n`)
    const log = await logged(`redis://:${PASSWORD}@127.0.0.1:${strange.port}`, /unknown command/)
    expect(log).to.not.include(PASSWORD)
    strange.close()
  })

  it('gives no reason when it answers, asks for a password, closes, or says nothing', async () => {
    const ask = (port: number, msMax = 500) =>
      askForRefusal({ server: { host: '127.0.0.1', port }, tls: null, clock, msMax })
    for (const answer of ['+PONG\r\n', '-NOAUTH Authentication required.\r\n', '']) {
      const server = await startSpeaker(null, answer)
      expect(await ask(server.port, 250)).to.equal(null)
      server.close()
    }
    const closing = await startSpeaker('', '')
    expect(await ask(closing.port)).to.equal(null)
    closing.close()
    expect(await ask(await freePort())).to.equal(null)
  })
})

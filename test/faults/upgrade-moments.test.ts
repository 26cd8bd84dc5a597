import { connect as connectTcp } from 'node:net'
import { expect } from 'chai'
import { Cluster, type EdgeHost } from '../support/cluster.js'
import { CLOSE, closeCodeOf, FrameReader, TEXT } from '../support/frames.js'
import { sleep, waitFor } from '../support/wait.mjs'
import { FLAWLESS, Traffic } from './support/traffic.js'

const UPGRADE_MS_MAX = 60_000
const CONNECTIONS = 300
/** Over which they come; their request comes up to so much later. */
const COME_MS = 2_000
const REQUEST_MS_MAX = 700
const ANSWER_MS_MAX = 20_000
/** `TRIALS=20` for a whole measurement. */
const TRIALS = Number(process.env['TRIALS'] ?? 4)
const SESSIONS = 100
const STORM = 15
const STOP_MS_MAX = 15_000

/** What became of one connection: `init`, a close code, or `cut`. */
function outcomeOf(edge: EdgeHost, token: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connectTcp(edge.port, '127.0.0.1')
    let head = Buffer.alloc(0)
    const frames = new FrameReader((kind, bytes, from, to) => {
      if (kind === TEXT) resolve('init')
      if (kind === CLOSE) resolve(String(closeCodeOf(bytes, from, to)))
      socket.destroy()
    })
    let upgraded = false
    socket.on('connect', () => setTimeout(() => socket.write(request(token)), Math.random() * REQUEST_MS_MAX))
    socket.on('data', (data) => {
      if (upgraded) {
        frames.push(data)
        return
      }
      head = Buffer.concat([head, data])
      const end = head.indexOf('\r\n\r\n')
      if (end === -1) return
      upgraded = true
      frames.push(head.subarray(end + 4))
    })
    socket.on('error', () => undefined)
    socket.on('close', () => resolve('cut'))
  })
}

const request = (token: string) =>
  `GET /?token=${token}&version=2 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'

describe('the moment of an upgrade', function () {
  this.timeout(240_000)

  let cluster: Cluster
  let edge: EdgeHost

  before(async () => {
    cluster = await Cluster.start({ name: 'upgrade-moments', edges: 0 })
  })
  after(() => cluster.stop())

  /** Tokens with a ticket. */
  const tickets = async (): Promise<number> => {
    const redis = cluster.openRedis()
    const keys = await redis.keys('*ticket*')
    redis.disconnect()
    return keys.length
  }

  const replaced = () => edge.program.logs().split('all workers are replaced').length - 1

  it(`cuts none of ${CONNECTIONS} connections that come meanwhile, whenever their request comes`, async () => {
    edge = await cluster.startEdge({ process_workers: 2 })
    const tokens = Array.from({ length: 10 }, () => cluster.auth.mint().token)
    const outcomes: Promise<string>[] = []
    edge.program.kill('SIGHUP')
    for (let i = 0; replaced() === 0 || i < CONNECTIONS; i++) {
      outcomes.push(outcomeOf(edge, tokens[i % tokens.length]!))
      await sleep(COME_MS / CONNECTIONS)
    }
    const late = sleep(ANSWER_MS_MAX).then(() => ['some have no answer'])
    const counts: Record<string, number> = {}
    for (const outcome of await Promise.race([Promise.all(outcomes), late]))
      counts[outcome] = (counts[outcome] ?? 0) + 1
    expect(counts).to.deep.equal({ init: outcomes.length })
    await edge.program.stop()
  })

  it(`and more of them, ${STORM} within two seconds: every session stays, and gets every event`, async () => {
    cluster.edges.splice(0)
    edge = await cluster.startEdge({ process_workers: 2 })
    const traffic = await Traffic.start(cluster, { perSecond: 100, sessions: 20 })
    try {
      for (let i = 0; i < STORM; i++) {
        edge.program.kill('SIGHUP')
        await sleep((Math.random() * 4_000) / STORM)
      }
      // The first one, and one more for all that came meanwhile.
      await waitFor(() => replaced() >= 2, { timeoutMs: UPGRADE_MS_MAX, what: 'both upgrades' })
      expect(await traffic.stop()).to.deep.equal(FLAWLESS)
    } finally {
      await traffic.abandon()
    }
    await edge.program.stop()
  })

  it(`and a SIGTERM in it: every session ends with 1012 and a ticket, in ${TRIALS} trials`, async () => {
    const ticketsBefore = await tickets()
    for (let trial = 0; trial < TRIALS; trial++) {
      edge = await cluster.startEdge({ process_workers: 2 })
      const clients = await Promise.all(
        Array.from({ length: SESSIONS }, async () => {
          const client = cluster.connect(cluster.auth.mint().token, {}, edge)
          await client.start('numbered')
          return client
        }),
      )
      edge.program.kill('SIGHUP')
      // The first worker is replaced, or about to hand its connections over, or has done so.
      await waitFor(() => edge.program.logs().split('worker started').length > 3, {
        timeoutMs: UPGRADE_MS_MAX,
        everyMs: 5,
        what: 'a successor',
      })
      if (trial % 2 === 0)
        await waitFor(() => edge.program.logs().includes('"draining"'), {
          timeoutMs: UPGRADE_MS_MAX,
          everyMs: 1,
        })
      await sleep(Math.random() * 100)
      const from = performance.now()
      edge.program.kill('SIGTERM')
      expect(await edge.program.exit).to.deep.equal({ code: 0, signal: null })
      expect(performance.now() - from).to.be.below(STOP_MS_MAX)
      const ends = await Promise.all(clients.map(({ closed }) => closed))
      const codes = new Set(ends.map(({ code }) => code))
      expect(codes, edge.program.logs().slice(-4_000)).to.deep.equal(new Set([1012]))
      expect((await tickets()) - ticketsBefore, 'tickets').to.equal((trial + 1) * SESSIONS)
      expect(edge.program.logs()).to.not.include('unexpectedly')
    }
  })
})

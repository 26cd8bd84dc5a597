import type { ChannelModel } from 'amqplib'
import { expect } from 'chai'
import { pino } from 'pino'
import { FailureLog } from '@wazo-websocketd/ingest/status/failure-log'
import { TopologyGuard } from '@wazo-websocketd/ingest/broker/topology-guard'
import { FakeClock } from '../../../support/fakes/clock.js'
import { settle } from '../../../support/fakes/publish-loop.js'

const CONNECTION = null as unknown as ChannelModel

function refusal(code: number, message = `refused with ${code}`): Error {
  return Object.assign(new Error(message), { code })
}

class Scene {
  readonly clock = new FakeClock()
  readonly lines: string[] = []
  readonly refused: boolean[] = []
  readonly end = new AbortController()
  declared = 0
  missing: string[] = []
  fault: Error | null = null
  held: Promise<void> = Promise.resolve()
  private readonly running: Promise<void>

  constructor() {
    const write = (line: string) => void this.lines.push((JSON.parse(line) as { msg: string }).msg)
    const log = pino({}, { write })
    const topologyGuard = new TopologyGuard(5000, {
      topology: {
        missingExchanges: () => Promise.resolve(this.missing.splice(0)),
        declare: async () => {
          await this.held
          this.declared++
          if (this.fault !== null) throw this.fault
        },
      },
      describeError: (error, lasting) => `${(error as Error).message}${lasting ? ', still' : ''}`,
      onRefused: (is) => this.refused.push(is),
      failureLog: new FailureLog(this.clock, log, 30_000),
      clock: this.clock,
      log,
    })
    this.running = topologyGuard.run(CONNECTION, this.end.signal)
  }

  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 500) {
      this.clock.advance(Math.min(left, 500))
      await settle()
    }
  }

  async stop(): Promise<void> {
    this.end.abort()
    await this.running
  }
}

describe('TopologyGuard', () => {
  it('declares every 5 s, without a word when all is well', async () => {
    const scene = new Scene()
    await scene.pass(4500)
    expect(scene.declared).to.equal(0)
    await scene.pass(10_500)
    expect([scene.declared, scene.lines]).to.deep.equal([3, []])
    await scene.stop()
    await scene.pass(10_000)
    expect([scene.declared, scene.clock.pending]).to.deep.equal([3, 0])
  })

  it('says once that an exchange was gone', async () => {
    const scene = new Scene()
    scene.missing = ['wazo-headers']
    await scene.pass(15_000)
    expect(scene.lines).to.have.length(1)
    expect(scene.lines[0]).to.match(/deleted exchanges/)
    await scene.stop()
  })

  it('says what the broker refuses at once, then every 30 s, and goes on when it no longer does', async () => {
    const scene = new Scene()
    scene.fault = refusal(406)
    await scene.pass(30_000)
    expect(scene.lines).to.have.length(1)
    await scene.pass(5000)
    expect(scene.lines[1]).to.match(/^refused with 406, still/)
    expect(scene.refused).to.deep.equal(Array<boolean>(7).fill(true))
    scene.fault = null
    await scene.pass(60_000)
    expect([scene.refused.at(-1), scene.lines.length]).to.deep.equal([false, 2])
    scene.fault = refusal(406)
    await scene.pass(5000)
    expect(scene.lines[2], 'a new fault').to.match(/^refused with 406;/)
    await scene.stop()
  })

  it('does not take a missing permission, or a connection in trouble, for events that cannot come in', async () => {
    const scene = new Scene()
    for (const fault of [refusal(403), new Error('Channel closed')]) {
      scene.fault = fault
      await scene.pass(5000)
    }
    expect([scene.refused, scene.lines.length]).to.deep.equal([[], 2])
    await scene.stop()
  })

  it('says nothing once it is over, whatever a declaration under way comes to', async () => {
    const scene = new Scene()
    let go: () => void = () => undefined
    scene.held = new Promise((resolve) => (go = resolve))
    scene.fault = refusal(406)
    await scene.pass(5000)
    scene.end.abort()
    go()
    await scene.stop()
    expect([scene.declared, scene.lines, scene.refused]).to.deep.equal([1, [], []])
  })
})

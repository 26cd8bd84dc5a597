import type { ServiceTokenAnswer } from '@wazo-websocketd/edge/auth/client'
import { ServiceTokenKeeper } from '@wazo-websocketd/edge/auth/service-token'
import { expect } from 'chai'
import { pino } from 'pino'
import { FakeClock, settle } from '../../../support/fakes/clock.js'

class Scene {
  readonly clock = new FakeClock()
  readonly asked: number[] = []
  readonly lines: string[] = []
  /** What is answered later. */
  delayed: Promise<ServiceTokenAnswer> | null = null
  answer: () => ServiceTokenAnswer = () => ({ kind: 'unavailable', why: 'ECONNREFUSED' })
  readonly tenants: string[] = []
  readonly keeper: ServiceTokenKeeper

  constructor() {
    const begun = this.clock.monotonic()
    this.keeper = new ServiceTokenKeeper({
      clock: this.clock,
      authTime: () => this.clock.now(),
      credentials: { username: 'me', password: 'the secret' },
      logger: pino({ level: 'info' }, { write: (line: string) => this.lines.push(line) }),
      created: (tenant) => this.tenants.push(tenant),
      client: {
        createToken: () => {
          this.asked.push((this.clock.monotonic() - begun) / 1_000)
          return this.delayed ?? Promise.resolve(this.answer())
        },
      },
    })
    this.keeper.start()
  }

  created(tenantUuid: string, lifeMs = 21_600_000): void {
    this.answer = () => ({ kind: 'created', token: { tenantUuid, expiresAt: this.clock.now() + lifeMs } })
  }
}

/** A keeper whose first request has failed. */
async function begin(): Promise<Scene> {
  const scene = new Scene()
  await settle()
  return scene
}

describe('service token', () => {
  it('tells the tenant of each token', async () => {
    const scene = await begin()
    scene.created('one', 100_000)
    await scene.clock.pass(1_000)
    scene.created('two', 100_000)
    await scene.clock.pass(90_000, 1_000)
    expect(scene.tenants).to.deep.equal(['one', 'two'])
  })

  it('is asked for again after 1, 2, 4, 8, 16, 32, 32 s', async () => {
    const scene = await begin()
    await scene.clock.pass(96_000, 250)
    expect(scene.asked).to.deep.equal([0, 1, 3, 7, 15, 31, 63, 95])
  })

  it('is renewed at 85 % of its life, and starts its delays anew', async () => {
    const scene = await begin()
    await scene.clock.pass(3_000)
    scene.created('master', 1_000_000)
    await scene.clock.pass(4_000)
    expect(scene.asked).to.deep.equal([0, 1, 3, 7])
    scene.answer = () => ({ kind: 'unavailable', why: 'ETIMEDOUT' })
    await scene.clock.pass(852_000, 1_000)
    expect(scene.asked.slice(4)).to.deep.equal([857, 858])
    expect(scene.tenants).to.deep.equal(['master'])
  })

  it('says what is to be mended, and never the secret', async () => {
    const scene = await begin()
    scene.answer = () => ({ kind: 'refused', status: 401 })
    await scene.clock.pass(1_000)
    scene.answer = () => ({ kind: 'refused', status: 404 })
    await scene.clock.pass(2_000)
    expect(scene.lines).to.have.length(3)
    expect(scene.lines[0]).to.match(/no service token: ECONNREFUSED/)
    expect(scene.lines[1]).to.match(/auth\.key_file, or auth\.username/)
    expect(scene.lines[2]).to.match(/status 404.*auth\.prefix/)
    expect(scene.lines.join('')).not.to.match(/the secret/)
  })

  it('stops asking', async () => {
    const scene = await begin()
    scene.keeper.stop()
    await scene.clock.pass(10_000)
    expect(scene.asked).to.deep.equal([0])
    expect(scene.clock.pending).to.equal(0)
  })
  it('is asked for by one loop, however often it is started and stopped', async () => {
    const scene = await begin()
    scene.keeper.start()
    let answer: (token: ServiceTokenAnswer) => void = () => undefined
    scene.delayed = new Promise((resolve) => (answer = resolve))
    await scene.clock.pass(1_000)
    scene.keeper.stop()
    scene.delayed = null
    scene.created('later', 100_000)
    scene.keeper.start()
    await settle()
    answer({ kind: 'created', token: { tenantUuid: 'early', expiresAt: scene.clock.now() + 1_000 } })
    await settle()
    expect([scene.asked, scene.tenants, scene.clock.pending]).to.deep.equal([[0, 1, 1], ['later'], 1])
  })
})

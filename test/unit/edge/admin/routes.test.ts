import { adminRoutes } from '@wazo-websocketd/edge/admin/routes'
import { WorkerHandle } from '@wazo-websocketd/edge/process/worker-handle'
import type { UpgradeOutcome } from '@wazo-websocketd/edge/process/upgrades'
import { MetricStore } from '@wazo-websocketd/edge/process/metric-store'
import { expect } from 'chai'
import { FakeClock } from '../../../support/fakes/clock.js'
import { fakeLog } from '../../../support/fakes/log.js'
import { FakeWorker } from '../../../support/fakes/worker.js'

const OUTCOME: UpgradeOutcome = {
  result: 'success',
  why: null,
  from: '1',
  to: '2',
  endedAt: 0,
  seconds: 1.26,
}

/** Routes over workers that answer as the test says. */
function setUp(workers = 2) {
  const clock = new FakeClock()
  const listener = { changed: () => undefined, fatal: () => undefined, ended: () => undefined }
  const fakes = Array.from({ length: workers }, (_, i) => new FakeWorker(i + 1))
  const handles = fakes.map(
    (worker, slot) =>
      new WorkerHandle({
        ...{ worker, setup: {}, place: { slot, successor: false } },
        ...{ store: new MetricStore(), clock, logger: fakeLog().logger, listener },
      }),
  )
  for (const fake of fakes) fake.ready()
  const routes = adminRoutes({
    pool: { workers: handles, notReadyReasons: () => ['Redis'] },
    upgrades: {
      state: { version: '2', underWay: false, last: OUTCOME },
      requestOutcome: () => Promise.resolve(OUTCOME),
    },
    version: '1',
    clock,
  })

  /** Answers the last question of a worker. */
  function answer(worker: number, rows: readonly string[], end: unknown): unknown {
    const asked = fakes[worker]!.sent.at(-1)!
    if (asked.kind !== 'ask') throw new Error('nothing was asked')
    fakes[worker]!.say({ kind: 'answer', id: asked.id, rows, end: JSON.stringify(end) })
    return asked.question
  }

  async function ask(path: string, query = '', body: unknown = {}) {
    const { status, json } = await routes.get(path)!.answer({ query: new URLSearchParams(query), body })
    let text = ''
    if (typeof json === 'string') text = json
    else for await (const piece of json) text += piece
    return { status, value: JSON.parse(text) as Record<string, unknown> }
  }
  return { clock, fakes, answer, ask, routes }
}

describe('the admin routes of a primary', () => {
  it('tell its status with that of each worker, also of one that does not answer', async () => {
    const { ask, answer, clock } = setUp()
    const asked = ask('/admin/status')
    answer(0, [], { version: '2', sessions: 5 })
    clock.advance(1_000)
    const { value } = await asked
    expect(value).to.deep.include({ program: 'wazo-websocketd-edge', ready: false, missing: ['Redis'] })
    expect(value['workers']).to.have.deep.nested.property('[0].status', { version: '2', sessions: 5 })
    expect(value['workers']).to.have.nested.property('[1].status', null)
    expect(value['upgrade']).to.have.nested.include({ workers: '2', 'last.seconds': 1.3 })
  })

  it('list sessions in the order of the workers, whoever answers first', async () => {
    const { ask, answer } = setUp()
    const asked = ask('/admin/sessions', 'user=u&limit=2&offset=1&unknown=1')
    const question = answer(1, ['{"n":3}', '{"n":4}'], { matched: 7 })
    answer(0, ['{"n":1}', '{"n":2}'], { matched: 2 })
    expect(question).to.deep.equal({ about: 'sessions', user: 'u', rowsMax: 3 })
    expect((await asked).value).to.deep.equal({ sessions: [{ n: 2 }, { n: 3 }], matched: 9, unanswered: [] })
  })

  it('list what there is, and say whose answer is missing', async () => {
    const { ask, answer, clock } = setUp()
    const asked = ask('/admin/sessions')
    answer(0, [], { matched: 0 })
    clock.advance(1_000)
    expect((await asked).value).to.deep.equal({ sessions: [], matched: 0, unanswered: [1] })
  })

  it('pass on what a worker objects to', async () => {
    const { ask, answer } = setUp(1)
    const asked = ask('/admin/sessions', 'tokenHash=zz')
    answer(0, [], { error: 'tokenHash must be' })
    expect(await asked).to.deep.equal({ status: 400, value: { error: 'tokenHash must be' } })
  })

  it('make a few lists at a time, and refuse more', async () => {
    const { ask, clock } = setUp(1)
    const asked = Array.from({ length: 5 }, () => ask('/admin/sessions'))
    expect((await asked[4]!).status).to.equal(503)
    clock.advance(1_000)
    expect((await Promise.all(asked)).map(({ status }) => status)).to.deep.equal([200, 200, 200, 200, 503])
  })

  for (const query of ['limit=x', 'limit=-1', 'offset=1.5', 'limit=100000&offset=1'])
    it(`refuse ${query}`, async () => {
      expect((await setUp().ask('/admin/sessions', query)).status).to.equal(400)
    })

  it('close what a filter means, and never all by a slip', async () => {
    const { ask, answer, fakes, routes } = setUp()
    for (const body of [
      ...[null, {}, { code: '1012' }, { code: 1012 }, { code: 1012, slow: false }],
      ...['false', 'no', 'true', 0, 1, null, ''].map((slow) => ({ code: 1012, slow })),
      ...['true', 1, 'all'].map((all) => ({ code: 1012, all })),
      { code: 1012, usr: 'u', tenant: 't' },
      { code: 1012, all: true, slow: 'yes' },
    ])
      expect((await ask('/admin/close', '', body)).status, JSON.stringify(body)).to.equal(400)
    expect(fakes.every(({ sent }) => sent.every(({ kind }) => kind !== 'ask'))).to.equal(true)
    const asked = ask('/admin/close', '', { code: 1012, tenant: 't' })
    expect(answer(0, [], { closed: 3 })).to.deep.equal({ about: 'close', code: 1012, tenant: 't' })
    answer(1, [], { closed: 1 })
    expect((await asked).value).to.deep.equal({ closed: 4, unanswered: [] })
    expect([...routes].filter(([, { changes }]) => changes).map(([path]) => path)).to.deep.equal([
      '/admin/close',
      '/admin/upgrade',
    ])
  })

  it('upgrade, and tell how it went', async () => {
    expect((await setUp().ask('/admin/upgrade')).value).to.deep.include({ result: 'success', to: '2' })
  })
})

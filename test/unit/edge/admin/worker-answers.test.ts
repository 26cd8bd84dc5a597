import { RecentLosses } from '@wazo-websocketd/edge/admin/recent-losses'
import { WorkerAnswers } from '@wazo-websocketd/edge/admin/worker-answers'
import { hashTag, hashToken } from '@wazo-websocketd/shared/runtime/token-hash'
import { expect } from 'chai'
import { event, Worker } from '../../../support/fakes/session.js'

describe('the answers of a worker to an operator', () => {
  let worker: Worker
  let losses: RecentLosses
  let answers: WorkerAnswers
  beforeEach(() => {
    worker = new Worker({ connectionsPerWorker: 5_000 })
    losses = new RecentLosses()
    answers = new WorkerAnswers({
      slot: 3,
      version: '1.2.3',
      sessions: worker.sessions,
      bus: { report: () => ({ ingests: [], partitions: [] }) },
      losses,
      masterTenant: () => worker.masterTenant,
      notReadyReasons: () => ['Redis'],
      indexed: () => worker.index.recipients.size,
      clock: worker.clock,
    })
  })

  /** Rows and end of the answer, and its pieces. */
  async function ask(question: unknown) {
    const rows: Record<string, unknown>[] = []
    let end: Record<string, unknown> = {}
    let pieces = 0
    for await (const piece of answers.answer(question)) {
      pieces++
      for (const row of piece.rows) rows.push(JSON.parse(row) as Record<string, unknown>)
      if (piece.end !== null) end = JSON.parse(piece.end) as Record<string, unknown>
    }
    return { rows, end, pieces }
  }

  async function start(...tokens: string[]) {
    for (const token of tokens) worker.auth.mint(token)
    return Promise.all(tokens.map((token) => worker.start(token)))
  }

  it('to what is its status: version, sessions, what is missing, losses', async () => {
    await start('a', 'b')
    losses.add(0, 'a new epoch began', 5, 0)
    const { end } = await ask({ about: 'status' })
    expect(end).to.deep.include({ version: '1.2.3', sessions: 2, live: 2, missing: ['Redis'] })
    expect(end['losses']).to.have.length(1)
  })

  it('to who is here: as many rows as wanted, and how many there are', async () => {
    await start('a', 'b', 'c')
    const { rows, end } = await ask({ about: 'sessions', rowsMax: 2 })
    expect(rows).to.have.length(2)
    expect(end).to.deep.equal({ matched: 3 })
    expect(rows[0]).to.include({ worker: 3, token: hashTag(hashToken('a')), started: true })
  })

  it('to who is here come in pieces where there are many', async () => {
    await start(...Array.from({ length: 600 }, (_, i) => `t${i}`))
    const { rows, pieces } = await ask({ about: 'sessions', rowsMax: 1_000 })
    expect(rows).to.have.length(600)
    expect(pieces).to.be.at.least(3)
  })

  it('count the events of a session', async () => {
    worker.auth.mint('a')
    await worker.start('a', 2, 'foo')
    for (const offset of [11, 12]) worker.index.route(event(offset))
    worker.index.route(event(13, { name: 'bar' }))
    const { rows } = await ask({ about: 'sessions', rowsMax: 1 })
    expect(rows[0]).to.include({ sentEvents: 2, subscriptionCount: 1 })
  })

  it('end the sessions that are meant, and no others', async () => {
    const [a, b] = await start('a', 'b')
    const { end } = await ask({ about: 'close', code: 4003, tokenHash: hashToken('a') })
    expect(end).to.deep.equal({ closed: 1 })
    expect([a!.socket.closeCode, b!.socket.closeCode]).to.deep.equal([4003, undefined])
    expect(a!.socket.closes[0]!.reason).to.equal('authentication expired')
  })

  it('end all sessions of a token together with 1012', async () => {
    const [a] = await start('a')
    const twin = await worker.start('a')
    const { end } = await ask({ about: 'close', code: 1012, tokenHash: hashToken('a') })
    expect(end).to.deep.equal({ closed: 2 })
    expect([a!.socket.closeCode, twin.socket.closeCode]).to.deep.equal([1012, 1012])
  })

  it('are an error to what is no question, and to a code that clients do not know', async () => {
    expect((await ask({ about: 'else' })).end['error']).to.be.a('string')
    expect((await ask({ about: 'close', code: 1000 })).end['error']).to.include('1012')
  })
})

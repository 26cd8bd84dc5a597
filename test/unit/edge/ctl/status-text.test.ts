import { statusLines, upgradeText, type StatusReport } from '@wazo-websocketd/edge/ctl/status-text'
import { expect } from 'chai'
import { edgeAnswer, ingestAnswer, SINCE, workerAnswer } from '../../../support/fakes/admin-answers.js'

const NOW = Date.parse(SINCE) + 3_600_000
const REPORT: StatusReport = {
  edge: edgeAnswer(),
  ingest: ingestAnswer(),
  programs: [{ kind: 'edge worker', host: '10.0.0.1', version: '1.0.0', count: 2 }],
  heads: [100],
}
const lines = (over: Partial<StatusReport> = {}) => statusLines({ ...REPORT, ...over }, NOW)

describe('the status of a host', () => {
  it('is one screen', () => {
    expect(lines()).to.deep.equal([
      'edge here: 1.0.0, pid 7, up 1 h 0 min, ready, 6 sessions',
      '  worker 0, pid 100, up 1 min 0 s: 1.0.0, 3 sessions, 2 live, 10 offsets behind',
      '  worker 1, pid 101, up 1 min 0 s: 1.0.0, 3 sessions, 2 live, 10 offsets behind',
      '  upgrade: none since the start',
      'ingest here: 1.0.0, pid 8, up 1 h 0 min, up, publishes, lag 12 ms, RabbitMQ at rabbit:5672, id abcdefgh',
      '  messages: 5 published, 0 published by others',
      'all hosts, by their connections to Redis:',
      '  10.0.0.1: 2 edge workers, 1.0.0',
      'losses and failures since the start:',
      '  none',
    ])
  })

  it('says what is missing, and why something is not known', () => {
    const edge = edgeAnswer({ ready: false, missing: ['redis: not connected'] })
    expect(lines({ edge })[0]).to.include('NOT READY: redis: not connected')
    const silent = lines({ edge: 'no edge', ingest: 'no ingest', programs: 'no Redis', heads: 'no Redis' })
    expect(silent.slice(0, 3)).to.deep.equal([
      'edge here: no edge',
      'ingest here: no ingest',
      'all hosts: not known: no Redis',
    ])
  })

  it('names a worker that hangs', () => {
    const edge = edgeAnswer({ workers: [workerAnswer(0, { status: null })] })
    expect(lines({ edge })[1]).to.include('DOES NOT ANSWER')
  })

  it('tells of the last losses, of both programs in the order of time', () => {
    const worker = workerAnswer(0)
    const losses = [{ at: '2026-01-01T00:00:02Z', partition: 0, why: 'a new epoch began', sessions: 3 }]
    const edge = edgeAnswer({ workers: [{ ...worker, status: { ...worker.status!, losses } }] })
    const epochs = [{ at: '2026-01-01T00:00:01Z', epoch: 'e', why: 'marker-gone' }]
    const messages = { published: 1, no_acl: 2 }
    const text = lines({ edge, ingest: ingestAnswer({ epochs, messages }) })
    expect(text.slice(-2)).to.deep.equal([
      '  2026-01-01T00:00:01Z the ingest began a new epoch: marker-gone',
      '  2026-01-01T00:00:02Z partition 0: a new epoch began; 3 sessions got 1011',
    ])
    expect(text.join('\n')).to.include('2 dropped (no_acl)')
  })

  it('tells of an upgrade how it went', () => {
    const last = { result: 'success', why: null, from: '1', to: '2', endedAt: SINCE, seconds: 3 }
    expect(upgradeText(last)).to.equal(`success at ${SINCE}, from 1 to 2, 3 s`)
    expect(upgradeText({ ...last, result: 'failure', why: 'x' })).to.equal(`FAILED at ${SINCE} after 3 s: x`)
    const edge = edgeAnswer({ upgrade: { underWay: true, workers: '1', last } })
    expect(lines({ edge }).find((line) => line.includes('upgrade'))).to.include('UNDER WAY')
  })
})

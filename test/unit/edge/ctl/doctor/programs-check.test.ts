import { judgeEdge, judgeIngest, judgeVersions } from '@wazo-websocketd/edge/ctl/doctor/programs-check'
import type { Finding } from '@wazo-websocketd/edge/ctl/finding'
import type { ClusterProgram } from '@wazo-websocketd/edge/ctl/cluster-programs'
import { expect } from 'chai'
import { edgeAnswer, ingestAnswer, workerAnswer } from '../../../../support/fakes/admin-answers.js'

const levels = (findings: readonly Finding[]) => findings.map(({ level }) => level)

describe('what doctor says of the programs', () => {
  it('is good of those that are ready', () => {
    expect(levels(judgeEdge(edgeAnswer()))).to.deep.equal(['ok'])
    expect(levels(judgeIngest(ingestAnswer()))).to.deep.equal(['ok'])
  })

  it('is why they are not, or do not answer', () => {
    const [edge] = judgeEdge(edgeAnswer({ ready: false, missing: ['bus: no ingest is up'] }))
    expect(edge).to.include({ level: 'error' }).and.property('what').that.includes('no ingest is up')
    const [ingest] = judgeIngest(ingestAnswer({ missing: ['connection to Redis'] }))
    expect(ingest).to.include({ level: 'error' }).and.property('what').that.includes('connection to Redis')
    expect(levels(judgeEdge('it does not answer'))).to.deep.equal(['warning'])
    expect(levels(judgeIngest('it does not answer'))).to.deep.equal(['warning'])
  })

  it('is that a worker hangs, or the last upgrade failed', () => {
    const hangs = edgeAnswer({ workers: [workerAnswer(0, { status: null })] })
    expect(judgeEdge(hangs).at(-1))
      .to.include({ level: 'error' })
      .and.property('what')
      .that.includes('worker 0')
    const last = { result: 'failure', why: 'bad key', from: '1', to: '1', endedAt: '', seconds: 1 }
    const failed = edgeAnswer({ upgrade: { underWay: false, workers: '1', last } })
    expect(judgeEdge(failed).at(-1))
      .to.include({ level: 'warning' })
      .and.property('what')
      .that.includes('bad key')
  })

  it('is that most of what comes in is of another Wazo', () => {
    const messages = { published: 1, other_origin: 9 }
    const found = judgeIngest(ingestAnswer({ messages }))
    expect(found.at(-1))
      .to.include({ check: 'uuid', level: 'error' })
      .and.property('remedy')
      .that.includes('XIVO_UUID')
    expect(judgeIngest(ingestAnswer({ messages: { published: 9, other_origin: 1 } }))).to.have.length(1)
  })

  it('is which versions there are, and that none may be missing', () => {
    const worker: ClusterProgram = { kind: 'edge worker', host: 'a', version: '1', count: 2 }
    const ingest: ClusterProgram = { kind: 'ingest', host: 'a', version: '1', count: 1 }
    expect(levels(judgeVersions([worker, ingest], '1'))).to.deep.equal(['ok'])
    expect(levels(judgeVersions([worker, { ...ingest, version: '2' }], '1'))).to.deep.equal(['warning'])
    expect(levels(judgeVersions([worker], '1'))).to.deep.equal(['error', 'ok'])
    expect(levels(judgeVersions('NOPERM', '1'))).to.deep.equal(['warning'])
  })
})

import { checkEdge, checkIngest, checkVersions } from '@wazo-websocketd/edge/ctl/doctor/programs-check'
import type { Finding } from '@wazo-websocketd/edge/ctl/finding'
import type { ClusterProgram } from '@wazo-websocketd/edge/ctl/cluster-programs'
import { expect } from 'chai'
import { edgeAnswer, ingestAnswer, workerAnswer } from '../../../../support/fakes/admin-answers.js'

const levels = (findings: readonly Finding[]) => findings.map(({ level }) => level)

describe('what doctor says of the programs', () => {
  it('is good of those that are ready', () => {
    expect(levels(checkEdge(edgeAnswer()))).to.deep.equal(['ok'])
    expect(levels(checkIngest(ingestAnswer()))).to.deep.equal(['ok'])
  })

  it('is why they are not, or do not answer', () => {
    const [edge] = checkEdge(edgeAnswer({ ready: false, missing: ['bus: no ingest is up'] }))
    expect(edge).to.include({ level: 'error' }).and.property('what').that.includes('no ingest is up')
    const [ingest] = checkIngest(ingestAnswer({ missing: ['connection to Redis'] }))
    expect(ingest).to.include({ level: 'error' }).and.property('what').that.includes('connection to Redis')
    expect(levels(checkEdge('it does not answer'))).to.deep.equal(['warning'])
    expect(levels(checkIngest('it does not answer'))).to.deep.equal(['warning'])
  })

  it('is that a worker hangs, or the last upgrade failed', () => {
    const hangs = edgeAnswer({ workers: [workerAnswer(0, { status: null })] })
    expect(checkEdge(hangs).at(-1))
      .to.include({ level: 'error' })
      .and.property('what')
      .that.includes('worker 0')
    const last = { result: 'failure', why: 'bad key', from: '1', to: '1', endedAt: '', seconds: 1 }
    const failed = edgeAnswer({ upgrade: { underWay: false, workers: '1', last } })
    expect(checkEdge(failed).at(-1))
      .to.include({ level: 'warning' })
      .and.property('what')
      .that.includes('bad key')
  })

  it('is that most of what comes in is of another Wazo', () => {
    const messages = { published: 1, other_origin: 9 }
    const found = checkIngest(ingestAnswer({ messages }))
    expect(found.at(-1))
      .to.include({ check: 'uuid', level: 'error' })
      .and.property('remedy')
      .that.includes('XIVO_UUID')
    expect(checkIngest(ingestAnswer({ messages: { published: 9, other_origin: 1 } }))).to.have.length(1)
  })

  it('is which versions there are, and that none may be missing', () => {
    const worker: ClusterProgram = { kind: 'edge worker', host: 'a', version: '1', count: 2 }
    const ingest: ClusterProgram = { kind: 'ingest', host: 'a', version: '1', count: 1 }
    expect(levels(checkVersions([worker, ingest], '1'))).to.deep.equal(['ok'])
    expect(levels(checkVersions([worker, { ...ingest, version: '2' }], '1'))).to.deep.equal(['warning'])
    expect(levels(checkVersions([worker], '1'))).to.deep.equal(['error', 'ok'])
    expect(levels(checkVersions('NOPERM', '1'))).to.deep.equal(['warning'])
  })
})

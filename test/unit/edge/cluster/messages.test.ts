import { asPrimaryMessage, asWorkerMessage } from '@wazo-websocketd/edge/cluster/messages'
import { expect } from 'chai'
import fc from 'fast-check'

describe('the messages between primary and workers', () => {
  it('are recognised on either side', () => {
    const fromWorker = [
      { kind: 'hello' },
      { kind: 'missing', missing: ['Redis'] },
      { kind: 'metrics', snapshot: [] },
      { kind: 'drained' },
      { kind: 'fatal', line: 'port in use', status: 1 },
    ]
    for (const message of fromWorker) expect(asWorkerMessage(message)).to.deep.equal(message)
    const fromPrimary = [
      { kind: 'setup', setup: { a: 1 }, place: { slot: 0, successor: true } },
      { kind: 'drain', order: { ratePerSecond: 100, timeoutMs: 30_000 } },
      { kind: 'close' },
    ]
    for (const message of fromPrimary) expect(asPrimaryMessage(message)).to.deep.equal(message)
  })

  it('are null when they are of others or malformed', () => {
    const strange = [
      { kind: 'missing', missing: [1] },
      { kind: 'missing' },
      { kind: 'metrics', snapshot: {} },
      { kind: 'setup', setup: {} },
      { kind: 'setup', setup: {}, place: { slot: '0', successor: false } },
      { kind: 'setup', setup: {}, place: { slot: 0 } },
      { kind: 'fatal', line: 1, status: 1 },
      { kind: 'drain', order: null },
      { kind: 'drain', order: { ratePerSecond: '1', timeoutMs: 1 } },
      { kind: 'unknown' },
      { kind: 7 },
      { type: 'prom-client:getMetricsReq' },
      null,
      'hello',
    ]
    for (const message of strange) {
      expect(asWorkerMessage(message)).to.equal(null)
      expect(asPrimaryMessage(message)).to.equal(null)
    }
  })

  it('never throw, whatever arrives', () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        expect(() => [asWorkerMessage(value), asPrimaryMessage(value)]).to.not.throw()
      }),
    )
  })
})

import { parsePrimaryMessage, parseWorkerMessage } from '@wazo-websocketd/edge/process/messages'
import { aggregateExposition, Metrics } from '@wazo-websocketd/shared/runtime/metrics'
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
      { kind: 'tenant-source', source: 'here' },
      { kind: 'tenant', tenant: '' },
      { kind: 'line', level: 'error', fields: { role: 'commands' }, line: 'Redis is away' },
      { kind: 'answer', id: 1, rows: ['{}'], end: null },
      { kind: 'answer', id: 2, rows: [], end: '{}' },
    ]
    for (const message of fromWorker) expect(parseWorkerMessage(message)).to.deep.equal(message)
    const fromPrimary = [
      { kind: 'setup', setup: { a: 1 }, place: { slot: 0, successor: true } },
      { kind: 'drain', order: { ratePerSecond: 100, timeoutMs: 30_000 } },
      { kind: 'close' },
      { kind: 'tenant', tenant: null, asks: true },
      { kind: 'tenant', tenant: 'one', asks: false },
      { kind: 'tell' },
      { kind: 'reopen' },
      { kind: 'certificate', setup: { tls: null } },
      { kind: 'ask', id: 1, question: { about: 'status' } },
    ]
    for (const message of fromPrimary) expect(parsePrimaryMessage(message)).to.deep.equal(message)
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
      { kind: 'tenant-source', source: null },
      { kind: 'tenant', tenant: 1, asks: true },
      { kind: 'tenant', asks: true },
      { kind: 'answer', id: 1, rows: [1], end: null },
      { kind: 'answer', id: 1, rows: [], end: 1 },
      { kind: 'answer', rows: [], end: null },
      { kind: 'line', level: 'fatal', fields: {}, line: 'no such level here' },
      { kind: 'line', level: 'info', fields: null, line: 'no fields' },
      { kind: 'line', level: 'info', fields: {} },
      { kind: 'ask', question: {} },
      { kind: 'unknown' },
      { kind: 7 },
      { type: 'prom-client:getMetricsReq' },
      null,
      'hello',
    ]
    for (const message of strange) {
      expect(parseWorkerMessage(message)).to.equal(null)
      expect(parsePrimaryMessage(message)).to.equal(null)
    }
  })

  it('leave out the metrics that cannot be added up here, and no others', async () => {
    const metrics = new Metrics({ defaults: false })
    metrics.counter({ name: 'events_total', help: 'Events.' }).inc(3)
    metrics.gauge({ name: 'unset', help: 'Not a number.' }).set(NaN)
    const known = JSON.parse(JSON.stringify(await metrics.snapshot())) as object[]
    const first = known[0]!
    const strange = [
      null,
      'x',
      {},
      { ...first, aggregator: 'median' },
      { ...first, name: 1 },
      { ...first, name: '__proto__' },
      { ...first, name: 'constructor' },
      { ...first, help: undefined },
      { ...first, help: 1 },
      { ...first, values: {} },
      { ...first, values: [null] },
      { ...first, values: [{ value: '1', labels: {} }] },
    ]
    const told = parseWorkerMessage({ kind: 'metrics', snapshot: [...strange, ...known] })
    if (told?.kind !== 'metrics') throw new Error('not understood')
    expect(told.snapshot).to.deep.equal(known)
    const { body } = await aggregateExposition([told.snapshot, told.snapshot])
    expect(body).to.include('websocketd_events_total 6\n')
  })

  it('may have more than this version knows', () => {
    const place = { slot: 1, successor: false, host: 'later' }
    const known = parsePrimaryMessage({ kind: 'setup', setup: null, place, more: 1 })
    expect(known).to.deep.include({ kind: 'setup', place })
    const order = { ratePerSecond: 1, timeoutMs: 2, order: 'oldest-first' }
    expect(parsePrimaryMessage({ kind: 'drain', order })).to.deep.include({ kind: 'drain' })
    expect(parseWorkerMessage({ kind: 'missing', missing: [], more: 1 })).to.deep.equal({
      kind: 'missing',
      missing: [],
    })
  })

  it('never throw, whatever arrives', () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        expect(() => [parseWorkerMessage(value), parsePrimaryMessage(value)]).to.not.throw()
      }),
    )
  })
})

import {
  parseHandoverOrder,
  parseHandoverReport,
  RETURN_REASONS,
} from '@wazo-websocketd/edge/handover/messages'
import { parsePrimaryMessage, parseWorkerMessage } from '@wazo-websocketd/edge/process/messages'
import { expect } from 'chai'

const REPORTS = [
  { kind: 'transfer-offer', id: 1, head: 'aGVhZA==', state: { any: ['json', null] } },
  { kind: 'transfer-offer', id: 1, head: '', state: null },
  { kind: 'transfer-withdraw', id: 2 },
  { kind: 'transfer-taken', id: 3 },
  { kind: 'transfer-refused', id: 4 },
]
const ORDERS = [
  { kind: 'transfer-arrival', id: 1, head: '', state: 7 },
  { kind: 'transfer-moved', id: 1 },
  { kind: 'transfer-go', id: 1 },
  { kind: 'transfer-drop', id: 1 },
  ...RETURN_REASONS.map((reason) => ({ kind: 'transfer-returned', id: 1, reason })),
]
const NONSENSE = [
  null,
  'transfer-taken',
  {},
  { kind: 'transfer-taken' },
  { kind: 'transfer-taken', id: 'one' },
  { kind: 'transfer-taken', id: 1.5 },
  { kind: 'transfer-offer', id: 1, state: null },
  { kind: 'transfer-offer', id: 1, head: 5, state: null },
  { kind: 'transfer-offer', id: 1, head: '' },
  { kind: 'transfer-arrival', id: 1, head: '' },
  { kind: 'transfer-returned', id: 1 },
  { kind: 'transfer-returned', id: 1, reason: 'whim' },
  { kind: 'hello', id: 1 },
]

describe('the messages of a hand-over', () => {
  it('are understood by the side they are for, and by no other', () => {
    for (const report of REPORTS) {
      expect(parseHandoverReport(report)).to.deep.equal(report)
      expect(parseHandoverOrder(report)).to.equal(null)
    }
    for (const order of ORDERS) {
      expect(parseHandoverOrder(order)).to.deep.equal(order)
      expect(parseHandoverReport(order)).to.equal(null)
    }
  })

  it('are none of those that pool and workers exchange on the same channel', () => {
    for (const message of [...REPORTS, ...ORDERS]) {
      expect(parseWorkerMessage(message)).to.equal(null)
      expect(parsePrimaryMessage(message)).to.equal(null)
    }
  })

  it('are not made out of anything else', () => {
    for (const value of NONSENSE) {
      expect(parseHandoverReport(value), JSON.stringify(value)).to.equal(null)
      expect(parseHandoverOrder(value), JSON.stringify(value)).to.equal(null)
    }
  })
})

/** What primary and workers tell each other, and the state of a session on its way to another worker. */
import fc from 'fast-check'
import {
  IN_FLIGHT_MAX,
  parseHandoverOrder,
  parseHandoverReport,
} from '@wazo-websocketd/edge/handover/messages'
import { HandoverReceiver } from '@wazo-websocketd/edge/handover/receiver'
import { HandoverRelay } from '@wazo-websocketd/edge/handover/relay'
import { encodeSnapshot, parseSnapshot } from '@wazo-websocketd/edge/handover/session-snapshot'
import { parseAdminQuestion } from '@wazo-websocketd/edge/admin/question'
import {
  parsePrimaryMessage,
  parseWorkerMessage,
  type AnswerPiece,
} from '@wazo-websocketd/edge/process/messages'
import { MetricStore } from '@wazo-websocketd/edge/process/metric-store'
import { PrimaryLink } from '@wazo-websocketd/edge/process/primary-link'
import { FakeClock } from '../../support/fakes/clock.js'
import { hold, Tally, type Area, type Subject } from '../area.js'
import { oddName } from '../odd.js'

type Listener = (message: unknown, handle: null) => void

/** JSON values, as they are after their way over the channel. */
const odd: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    false,
    0,
    1,
    -1,
    0.5,
    2 ** 53,
    1e300,
    '',
    'x',
    [],
    {},
    [null],
    [['a']],
    { a: 1 },
  ),
  oddName,
)
const metric = recordOf({
  name: fc.constantFrom('a', 'b'),
  help: fc.constant('help'),
  type: fc.constantFrom('counter', 'gauge', 'histogram', 'summary', 'other'),
  aggregator: fc.constantFrom('sum', 'first', 'min', 'max', 'average', 'omit', 'other'),
  values: fc.array(
    recordOf({
      value: fc.constantFrom(1, 2.5, null),
      labels: fc.constantFrom({}, { le: 1 }, { a: 'x', __proto__: 1 }),
      metricName: fc.constant('a_sum'),
    }),
    { maxLength: 2 },
  ),
})
const snapshot = recordOf({
  form: fc.constant(1),
  version: fc.constantFrom(1, 2),
  address: fc.constant('192.0.2.1'),
  subscriptions: fc.array(oddName, { maxLength: 2 }),
  positions: fc.oneof(
    fc.constant(null),
    fc.array(fc.tuple(fc.nat(3), fc.constantFrom('epoch', ''), fc.nat()), { maxLength: 2 }),
  ),
  details: recordOf({
    token: fc.constantFrom('token', '..', ''),
    ...{ sessionUuid: fc.constant('s'), userUuid: fc.constant('u'), tenantUuid: fc.constant('t') },
    ...{ admin: fc.boolean(), acl: fc.array(fc.constant('x'), { maxLength: 2 }), expiresAt: fc.nat() },
  }),
})
const message = fc.oneof(
  recordOf({
    kind: fc.constantFrom(
      'metrics',
      'metrics',
      'metrics',
      'metrics',
      'hello',
      'missing',
      'drained',
      'fatal',
      'tenant-source',
      'tenant',
      'setup',
      'drain',
      'close',
      'tell',
      'reopen',
      'ask',
      'answer',
    ),
    missing: fc.array(oddName, { maxLength: 2 }),
    snapshot: fc.array(metric, { maxLength: 3 }),
    line: fc.constant('line'),
    status: fc.nat(100),
    source: fc.constant('source'),
    tenant: fc.constantFrom('t', null),
    asks: fc.boolean(),
    setup: odd,
    place: recordOf({ slot: fc.nat(3), successor: fc.boolean() }),
    ...{ id: fc.nat(3), rows: fc.array(oddName, { maxLength: 2 }), end: fc.constantFrom('{}', null) },
    question: odd,
    order: recordOf({ ratePerSecond: fc.nat(100), timeoutMs: fc.nat(100) }),
  }),
  recordOf({
    kind: fc.constantFrom(
      'transfer-offer',
      'transfer-withdraw',
      'transfer-taken',
      'transfer-refused',
      'transfer-moved',
      'transfer-returned',
      'transfer-arrival',
      'transfer-go',
      'transfer-drop',
    ),
    id: fc.nat(3),
    head: fc.constantFrom('', 'aGk=', '%%%'),
    state: snapshot,
    reason: fc.constantFrom('timeout', 'busy', 'toString'),
  }),
  odd,
)

/** Of these members some are missing, and some are anything. */
function recordOf(members: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<unknown> {
  const each = Object.entries(members).map(([key, value]) =>
    fc.oneof(
      { weight: 20, arbitrary: value.map((v) => [[key, v]]) },
      { weight: 1, arbitrary: odd.map((v) => [[key, v]]) },
      { weight: 1, arbitrary: fc.constant([]) },
    ),
  )
  return fc.tuple(...each).map((parts) => Object.fromEntries(parts.flat() as [string, unknown][]))
}

class Channels implements Subject<unknown> {
  readonly outcomes = new Tally()
  private readonly link: Listener
  private readonly receiver: HandoverReceiver
  private readonly relay: HandoverRelay
  private readonly handover: Listener[] = []

  constructor() {
    const clock = new FakeClock()
    let link: Listener = () => undefined
    const channel = { send: () => undefined, onDisconnect: () => undefined, exit: () => undefined }
    const worker = new PrimaryLink(clock, { ...channel, onMessage: (listener) => (link = listener) })
    worker.handle({ drain: () => undefined, closeNow: () => undefined })
    worker.answerBy(answerOf)
    this.link = link
    const end = {
      send: () => undefined,
      onMessage: (listener: Listener) => void this.handover.push(listener),
    }
    this.receiver = new HandoverReceiver(end, {
      canAccept: (state) => parseSnapshot(state) !== null,
      receive: () => undefined,
    })
    this.relay = new HandoverRelay({ clock })
    this.relay.watch({ ...end, id: 1, onEnd: () => undefined })
  }

  async take(input: unknown): Promise<number> {
    const value = JSON.parse(JSON.stringify(input)) as unknown
    for (const listener of [this.link, ...this.handover]) listener(value, null)
    hold(this.receiver.size === 0 && this.relay.size <= IN_FLIGHT_MAX, 'connections that are none')
    const worker = parseWorkerMessage(value)
    for (const parse of [parseWorkerMessage, parsePrimaryMessage, parseHandoverReport, parseHandoverOrder])
      stable(parse, value)
    const state = parseSnapshot((value as { state?: unknown } | null)?.state)
    if (state !== null) stable(encodedAgain, encodeSnapshot(state))
    if (worker?.kind === 'metrics') await aggregate(worker.snapshot)
    this.outcomes.add(worker?.kind ?? (state === null ? 'other' : 'with a session'))
    return 1
  }
}

/** What a worker makes of a question. */
async function* answerOf(question: unknown): AsyncGenerator<AnswerPiece, void> {
  const understood = parseAdminQuestion(question)
  hold(typeof understood === 'string' || typeof understood.about === 'string', 'a question without a subject')
  yield await Promise.resolve({ rows: [], end: JSON.stringify(understood) })
}

/** What was taken for metrics of a worker fails no scrape of the host, and is not lost at the worker's end. */
async function aggregate(snapshot: Parameters<MetricStore['update']>[1]): Promise<void> {
  const store = new MetricStore()
  for (const id of [1, 2]) store.update(id, snapshot)
  const { body } = await store.exposition(snapshot)
  hold(typeof body === 'string', 'no text of metrics')
  await store.retire(1)
  await store.exposition([])
}

/** A snapshot read and written, or null. */
function encodedAgain(value: unknown): object | null {
  const state = parseSnapshot(value)
  return state === null ? null : encodeSnapshot(state)
}

/** What a parser makes of a message it makes of its own result, too: it takes nothing over unseen. */
function stable(parse: (value: unknown) => unknown, value: unknown): void {
  const once = parse(value)
  if (once === null) return
  const [first, second] = [once, parse(JSON.parse(JSON.stringify(once)))].map((result) =>
    JSON.stringify(result),
  )
  hold(first === second, () => `${first} is taken for ${second}`)
}

export const ipc: Area<unknown> = {
  name: 'ipc',
  unit: 'messages between processes',
  total: 100_000,
  inputs: message,
  open: () => Promise.resolve(new Channels()),
}

/** What the primary answers to operators. It asks its workers and passes their answers on as they are (docs/adr/0009). */
import {
  adminAnswer,
  adminError,
  type AdminAnswer,
  type AdminRequest,
  type AdminRoute,
  type AdminRoutes,
} from '@wazo-websocketd/shared/runtime/admin-routes'
import { isRecord, parseJson } from '@wazo-websocketd/shared/domain/guards'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import type { WorkerAnswer } from '../process/pending-answers.js'
import type { WorkerHandle } from '../process/worker-handle.js'
import type { UpgradeOutcome, Upgrades } from '../process/upgrades.js'

export interface RouteOptions {
  readonly pool: { readonly workers: readonly WorkerHandle[]; notReadyReasons(): readonly string[] }
  readonly upgrades: Pick<Upgrades, 'state' | 'requestOutcome'>
  /** Of the primary's own code. */
  readonly version: string
  readonly clock: Clock
}

/** A worker may say nothing for so long before it is left out of an answer. */
const SILENT_MS_MAX = 800
/** As SILENT_MS_MAX, while it closes sessions. */
const CLOSING_MS_MAX = 5_000
const LIMIT_DEFAULT = 100
const LIMIT_MAX = 100_000
/** Lists that are made at a time: each holds its rows in memory. */
const LISTS_MAX = 4
/** Rows in one piece of an answer. */
const PIECE_ROWS = 200
/** Members of the query or the body that workers are asked with. */
const FILTERS = ['user', 'tenant', 'tokenHash', 'slow'] as const
/** What an order to close may say. */
const CLOSE_MEMBERS: readonly string[] = [...FILTERS, 'code', 'all']

export function adminRoutes(options: RouteOptions): AdminRoutes {
  const startedAt = options.clock.now()
  const lists = new ConcurrencyLimit(LISTS_MAX)
  return new Map<string, AdminRoute>([
    ['/admin/status', { changes: false, answer: () => status(options, startedAt) }],
    ['/admin/sessions', { changes: false, answer: (request) => lists.run(() => sessions(options, request)) }],
    ['/admin/close', { changes: true, answer: (request) => close(options, request) }],
    ['/admin/upgrade', { changes: true, answer: () => upgrade(options) }],
  ])
}

/** Bounds how much is under way at a time, and refuses more. */
class ConcurrencyLimit {
  private readonly max: number
  private underWay = 0

  constructor(max: number) {
    this.max = max
  }

  async run(work: () => Promise<AdminAnswer>): Promise<AdminAnswer> {
    if (this.underWay === this.max) return adminError(503, 'too many questions at once: ask again')
    this.underWay++
    try {
      return await work()
    } finally {
      this.underWay--
    }
  }
}

async function status(
  { pool, upgrades, version, clock }: RouteOptions,
  startedAt: number,
): Promise<AdminAnswer> {
  const missing = pool.notReadyReasons()
  const workers = await Promise.all(
    pool.workers.map(async (worker) => ({
      worker: worker.slot,
      pid: worker.pid ?? null,
      ready: worker.ready,
      upSeconds: wholeSeconds(clock.monotonic() - worker.startedAt),
      status: parsed(await worker.ask({ about: 'status' }, () => undefined, SILENT_MS_MAX)),
    })),
  )
  const { underWay, last, version: ofWorkers } = upgrades.state
  return adminAnswer({
    program: 'wazo-websocketd-edge',
    version,
    pid: process.pid,
    since: new Date(startedAt).toISOString(),
    ready: missing.length === 0,
    missing,
    upgrade: { underWay, workers: ofWorkers, last: last && outcome(last) },
    workers,
  })
}

async function sessions({ pool }: RouteOptions, { query }: AdminRequest): Promise<AdminAnswer> {
  const limit = countParameter(query.get('limit'), LIMIT_DEFAULT)
  const offset = countParameter(query.get('offset'), 0)
  if (limit === null || offset === null || limit + offset > LIMIT_MAX)
    return adminError(400, `limit and offset must be whole numbers, together ${LIMIT_MAX} at most`)
  const question = {
    about: 'sessions',
    ...Object.fromEntries(
      [...FILTERS, 'names'].flatMap((name) => (query.has(name) ? [[name, query.get(name)]] : [])),
    ),
    rowsMax: limit + offset,
  }
  const answers = await Promise.all(
    pool.workers.map(async (worker) => {
      const rows: string[] = []
      const take = (more: readonly string[]): void => void rows.push(...more)
      return { slot: worker.slot, rows, end: parsed(await worker.ask(question, take, SILENT_MS_MAX)) }
    }),
  )
  const error = answers.map(({ end }) => end?.['error']).find((each) => typeof each === 'string')
  if (error !== undefined) return adminError(400, error)
  const rows = answers.flatMap((answer) => answer.rows).slice(offset, offset + limit)
  const end = {
    matched: sum(answers.map((answer) => answer.end?.['matched'])),
    unanswered: answers.filter((answer) => answer.end === null).map(({ slot }) => slot),
  }
  return { status: 200, json: pieces(rows, JSON.stringify(end)) }
}

/** `{"sessions":[...],` and the members of `end`. */
async function* pieces(rows: readonly string[], end: string): AsyncGenerator<string, void> {
  yield '{"sessions":['
  for (let from = 0; from < rows.length; from += PIECE_ROWS) {
    yield (from > 0 ? ',\n' : '\n') + rows.slice(from, from + PIECE_ROWS).join(',\n')
    await new Promise<void>((resolve) => setImmediate(resolve))
  }
  yield `],${end.slice(1)}\n`
}

/** Without a filter nothing is closed, unless `all` says so: a slip must not end every session. */
async function close({ pool }: RouteOptions, { body }: AdminRequest): Promise<AdminAnswer> {
  if (!isRecord(body) || typeof body['code'] !== 'number') return adminError(400, 'code must be a number')
  // A member that is not understood may be the one that was to spare the others.
  const unknown = Object.keys(body).find((name) => !CLOSE_MEMBERS.includes(name))
  if (unknown !== undefined)
    return adminError(400, `${JSON.stringify(unknown)} is not known: there are ${CLOSE_MEMBERS.join(', ')}`)
  const { slow = false } = body
  if (typeof slow !== 'boolean') return adminError(400, 'slow must be true or false')
  const given = FILTERS.filter((name) => body[name] !== undefined && body[name] !== false)
  if (given.length === 0 && body['all'] !== true)
    return adminError(400, `which sessions? give ${FILTERS.join(', ')}, or all: true`)
  const question = {
    about: 'close',
    code: body['code'],
    ...Object.fromEntries(given.map((name) => [name, body[name]])),
  }
  const ends = await Promise.all(
    pool.workers.map(async (worker) => ({
      slot: worker.slot,
      end: parsed(await worker.ask(question, () => undefined, CLOSING_MS_MAX)),
    })),
  )
  const error = ends.map(({ end }) => end?.['error']).find((each) => typeof each === 'string')
  if (error !== undefined) return adminError(400, error)
  return adminAnswer({
    closed: sum(ends.map(({ end }) => end?.['closed'])),
    unanswered: ends.filter(({ end }) => end === null).map(({ slot }) => slot),
  })
}

async function upgrade({ upgrades }: RouteOptions): Promise<AdminAnswer> {
  return adminAnswer(outcome(await upgrades.requestOutcome()))
}

function outcome({ endedAt, ...rest }: UpgradeOutcome): object {
  return { ...rest, seconds: Math.round(rest.seconds * 10) / 10, endedAt: new Date(endedAt).toISOString() }
}

function parsed(answer: WorkerAnswer): Readonly<Record<string, unknown>> | null {
  const value = answer === null ? null : parseJson(answer)
  return isRecord(value) ? value : null
}

function sum(numbers: readonly unknown[]): number {
  return numbers.reduce<number>((total, each) => total + (typeof each === 'number' ? each : 0), 0)
}

/** null: no whole number. */
function countParameter(text: string | null, otherwise: number): number | null {
  if (text === null) return otherwise
  return /^\d{1,9}$/.test(text) ? Number(text) : null
}

function wholeSeconds(ms: number): number {
  return Math.round(ms / 1000)
}

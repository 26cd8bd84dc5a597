/** Answers what operators ask a worker. */
import { because, SERVICE_RESTART } from '@wazo-websocketd/shared/domain/close'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import type { BusReport } from '../bus/ports.js'
import type { AnswerPiece } from '../process/messages.js'
import type { Connection } from '../session/connection.js'
import type { Sessions } from '../session/sessions.js'
import { OPERATOR_CLOSES } from './closes.js'
import { parseAdminQuestion, type AdminQuestion, type SessionFilter } from './question.js'
import type { LossRecord } from './recent-losses.js'
import { matches, sessionRow } from './session-row.js'
import { inSlices } from './slices.js'

export interface WorkerAnswersOptions {
  readonly slot: number
  readonly version: string
  readonly sessions: Pick<Sessions, 'connections' | 'open' | 'closeForRestart'>
  readonly bus: { report(): BusReport }
  readonly losses: { readonly list: readonly LossRecord[] }
  readonly masterTenant: () => string | undefined
  readonly notReadyReasons: () => readonly string[]
  readonly indexed: () => number
  readonly clock: Pick<Clock, 'monotonic'>
}

const BY_OPERATOR = 'closed by an operator'

/** The answer to what is no question that this version knows. */
function refusal(error: string): AnswerPiece {
  return { rows: [], end: JSON.stringify({ error }) }
}

/** Answers what an operator asks of this worker, in slices between other work. */
export class WorkerAnswers {
  private readonly options: WorkerAnswersOptions

  constructor(options: WorkerAnswersOptions) {
    this.options = options
  }

  /** Yields the answer piece by piece; between two pieces the loop of the process turns. */
  async *answer(value: unknown): AsyncGenerator<AnswerPiece, void> {
    const question = parseAdminQuestion(value)
    if (typeof question === 'string') yield refusal(question)
    else if (question.about === 'status') yield { rows: [], end: JSON.stringify(this.status()) }
    else if (question.about === 'sessions') yield* this.list(question)
    else yield* this.close(question)
  }

  private status(): object {
    const { version, sessions, bus, losses, masterTenant, notReadyReasons, indexed } = this.options
    return {
      version,
      sessions: sessions.connections.size,
      live: indexed(),
      missing: notReadyReasons(),
      masterTenant: masterTenant() ?? null,
      bus: bus.report(),
      losses: losses.list,
    }
  }

  private async *list({
    filter,
    rowsMax,
    namesMax,
  }: Extract<AdminQuestion, { about: 'sessions' }>): AsyncGenerator<AnswerPiece, void> {
    const { slot, sessions, clock } = this.options
    const options = { slot, namesMax, now: clock.monotonic() }
    let matched = 0
    let rows: string[] = []
    const look = (connection: Connection): void => {
      if (matches(connection, filter) && ++matched <= rowsMax) rows.push(sessionRow(connection, options))
    }
    const slices = inSlices(sessions.connections.all(), clock, look)
    while (!(await slices.next()).done) {
      if (rows.length > 0) yield { rows, end: null }
      rows = []
    }
    yield { rows, end: JSON.stringify({ matched }) }
  }

  private async *close({
    filter,
    code,
  }: Extract<AdminQuestion, { about: 'close' }>): AsyncGenerator<AnswerPiece, void> {
    const { sessions, clock } = this.options
    const close = OPERATOR_CLOSES.get(code)
    if (close === undefined) {
      yield refusal(`code must be one of ${[...OPERATOR_CLOSES.keys()].join(', ')}`)
      return
    }
    let closed = 0
    const end = (connection: Connection): void => {
      if (connection.ending || !matches(connection, filter)) return
      closed++
      connection.end(because(close, BY_OPERATOR))
    }
    const work = code === SERVICE_RESTART.code ? this.groupCloser(filter, (n) => (closed += n)) : end
    // Each slice yields, so that whoever waits sees that there is progress.
    const slices = inSlices(sessions.open(), clock, work)
    while (!(await slices.next()).done) yield { rows: [], end: null }
    yield { rows: [], end: JSON.stringify({ closed }) }
  }

  /** After 1012 clients go on where they were: with tickets, which the sessions of a token leave together (docs/adr/0007). */
  private groupCloser(
    filter: SessionFilter,
    count: (closed: number) => void,
  ): (connection: Connection) => void {
    const { sessions } = this.options
    const seen = new Set<string>()
    return (connection) => {
      if (connection.ending || seen.has(connection.token) || !matches(connection, filter)) return
      seen.add(connection.token)
      count(sessions.closeForRestart(sessions.connections.withToken(connection.token), false))
    }
  }
}

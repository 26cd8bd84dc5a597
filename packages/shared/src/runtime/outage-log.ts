import type { Clock, Timer } from './clock.js'
import type { LineLog } from './line-log.js'

/** An outage is over when nothing has failed for so long: what comes and goes is one outage. */
const SETTLE_MS = 5_000
/** Reminders come after one minute, then after two more, four more, and so on, and at least every hour. */
const REMINDER_FIRST_MS = 60_000
const REMINDER_MAX_MS = 3_600_000
/** Different reasons that are logged in one outage; reminders tell later ones. */
const REASONS_MAX = 4
/** Parts that are remembered, should their names ever come from outside. */
const PARTS_MAX = 1_000

export interface OutageLogOptions {
  /** What the last line of an outage says: "Redis serves again". */
  readonly over: string
  readonly clock: Clock
  readonly log: Pick<LineLog, 'error' | 'info'>
  /** How many clients were closed or turned away so far, in all; none given: the lines do not tell. */
  readonly clients?: () => number
  /** Milliseconds that an outage may last without a line; 0 unless given. */
  readonly graceMs?: number
  /** Milliseconds until the first reminder; a minute unless given. */
  readonly reminderMs?: number
}

/** What a reason may come with. */
export interface Remark {
  readonly fields?: object
  /** What reminders say instead of the reason: what to do, for example, since waiting has not helped. */
  readonly lasting?: string
}

/** What users of an outage's log need of it. */
export type Outage = Pick<OutageLog, 'fails' | 'recovers' | 'remark'>

interface OpenOutage {
  readonly since: number
  readonly clientsBefore: number
  readonly reasons: Set<string>
  /** The last one, with its fields. */
  why: string
  lasting: string
  fields: object
  logged: boolean
  recoveredAt: number
  timer: Timer | null
}

/**
 * Logs an outage of something outside as a line at its begin, with the reason, and one at its end, with duration and the
 * number of clients that noticed; in between a reminder now and then. Several parts of a process may meet the same outage:
 * it lasts until all of them have recovered.
 */
export class OutageLog {
  private readonly options: OutageLogOptions
  private readonly failing = new Set<string>()
  private open: OpenOutage | null = null
  private settling: Timer | null = null

  constructor(options: OutageLogOptions) {
    this.options = options
  }

  /** A part meets the outage, until it `recovers`. `why` is a whole line that names address and key. */
  fails(part: string, why: string, remark: Remark = {}): void {
    if (this.failing.size < PARTS_MAX) this.failing.add(part)
    this.settling?.cancel()
    this.settling = null
    this.tell(why, remark)
  }

  /** A part works (again). */
  recovers(part: string): void {
    if (this.failing.delete(part) && this.failing.size === 0) this.settle()
  }

  /** A reason by which no part fails for long: it begins an outage, but does not make one last. */
  remark(why: string, remark: Remark = {}): void {
    this.tell(why, remark)
    if (this.failing.size === 0 && this.settling === null) this.settle()
  }

  /** Forgets an outage that is under way, without a line. */
  close(): void {
    this.settling?.cancel()
    this.open?.timer?.cancel()
    this.settling = this.open = null
    this.failing.clear()
  }

  private tell(why: string, { fields = {}, lasting = why }: Remark): void {
    const open = (this.open ??= this.begin())
    Object.assign(open, { why, lasting, fields })
    if (open.logged) this.logReason(open)
  }

  private begin(): OpenOutage {
    const { clock, clients, graceMs = 0, reminderMs = REMINDER_FIRST_MS } = this.options
    const open: OpenOutage = {
      since: clock.monotonic(),
      clientsBefore: clients?.() ?? 0,
      reasons: new Set(),
      why: '',
      lasting: '',
      fields: {},
      logged: graceMs === 0,
      recoveredAt: 0,
      timer: null,
    }
    if (graceMs === 0) this.remindAfter(open, reminderMs)
    else this.logAfter(open, graceMs, reminderMs)
    return open
  }

  private logAfter(open: OpenOutage, graceMs: number, reminderMs: number): void {
    open.timer = this.options.clock.after(graceMs, () => {
      // One that only has to settle was too short for a line. Should it come back before that, it is the same one.
      if (this.settling !== null) {
        this.logAfter(open, graceMs, reminderMs)
        return
      }
      open.logged = true
      this.logReason(open)
      this.remindAfter(open, reminderMs)
    })
  }

  private logReason({ why, fields, reasons }: OpenOutage): void {
    if (reasons.has(why) || reasons.size >= REASONS_MAX) return
    reasons.add(why)
    this.options.log.error(fields, why)
  }

  private remindAfter(open: OpenOutage, delayMs: number): void {
    const { clock, log } = this.options
    open.timer = clock.after(delayMs, () => {
      const lasts = this.figures(open, clock.monotonic())
      if (this.settling === null) log.error({ ...open.fields, ...lasts }, `still: ${open.lasting}`)
      this.remindAfter(open, Math.min(2 * delayMs, REMINDER_MAX_MS))
    })
  }

  private settle(): void {
    const { clock, log, over } = this.options
    const { open } = this
    if (open === null) return
    open.recoveredAt = clock.monotonic()
    this.settling?.cancel()
    this.settling = clock.after(SETTLE_MS, () => {
      const figures = this.figures(open, open.recoveredAt)
      this.close()
      if (open.logged) log.info(figures, over)
    })
  }

  private figures({ since, clientsBefore }: OpenOutage, until: number): object {
    const { clients } = this.options
    const seconds = Math.round((until - since) / 100) / 10
    return clients === undefined ? { seconds } : { seconds, clients: clients() - clientsBefore }
  }
}

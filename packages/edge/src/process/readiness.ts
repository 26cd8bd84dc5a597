import type { Clock } from '@wazo-websocketd/shared/runtime/clock'

/** A worker that cannot serve listens all the same after so long, unless others serve in its stead. */
const LISTEN_AFTER_MS = 5_000

/** Tells the primary what keeps this worker from serving, and the worker when to listen. */
export class Readiness {
  private readonly reasons: () => readonly string[]
  private readonly report: (reasons: readonly string[]) => void
  private listening = false
  private resolveReady: () => void = () => undefined
  private readonly ready = new Promise<void>((resolve) => (this.resolveReady = resolve))

  /**
   * @param reasons what keeps the worker from serving clients, in words
   * @param report takes what the primary is to be told
   */
  constructor(reasons: () => readonly string[], report: (reasons: readonly string[]) => void) {
    this.reasons = reasons
    this.report = report
  }

  /** Reports the reasons as they are now. */
  readonly update = (): void => {
    const reasons = this.reasons()
    if (reasons.length === 0) this.resolveReady()
    this.report(this.listening ? reasons : [...reasons, 'not listening yet'])
  }

  /** Clients can connect from now on. */
  listens(): void {
    this.listening = true
    this.update()
  }

  /**
   * Resolves when the worker should listen. Clients are dealt to the workers that listen, so a new one waits until it can
   * serve; after 5 s it listens all the same, to say 1013. A successor waits on: others serve until it can.
   */
  async timeToListen(clock: Clock, isSuccessor: boolean): Promise<void> {
    const timer = isSuccessor ? null : clock.after(LISTEN_AFTER_MS, this.resolveReady)
    await this.ready
    timer?.cancel()
  }
}

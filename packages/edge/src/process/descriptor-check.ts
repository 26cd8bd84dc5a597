import { closeSync, openSync } from 'node:fs'
import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'
import { errorCode } from '@wazo-websocketd/shared/runtime/system-error'

const CHECK_MS = 1_000
const PROBE = '/dev/null'
const EXHAUSTED: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE'])

export interface DescriptorCheckOptions {
  readonly clock: Pick<Clock, 'after'>
  /** Called when the process runs out of file descriptors, and when it has some again. */
  readonly changed: (exhausted: boolean) => void
  /** Opens and closes a file; tests give another one. */
  readonly probe?: () => void
}

/**
 * Notices that the process has no free file descriptor: libuv then drops each new connection without a word, so that
 * clients must be sent elsewhere and the operator must be told.
 */
export class DescriptorCheck {
  private readonly options: DescriptorCheckOptions
  private timer: Timer | null = null
  private isExhausted = false

  constructor(options: DescriptorCheckOptions) {
    this.options = options
  }

  get exhausted(): boolean {
    return this.isExhausted
  }

  /** Checks now and every second. */
  start(): void {
    const exhausted = !this.hasFreeDescriptor()
    if (exhausted !== this.isExhausted) {
      this.isExhausted = exhausted
      this.options.changed(exhausted)
    }
    this.timer = this.options.clock.after(CHECK_MS, () => this.start())
  }

  stop(): void {
    this.timer?.cancel()
  }

  private hasFreeDescriptor(): boolean {
    try {
      ;(this.options.probe ?? openAndClose)()
      return true
    } catch (error) {
      return !EXHAUSTED.has(errorCode(error))
    }
  }
}

function openAndClose(): void {
  closeSync(openSync(PROBE, 'r'))
}

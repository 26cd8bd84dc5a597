/** The wall clock of one host, for a test to set: that of this machine is never touched. */
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryDirectory } from '../../support/guard.mjs'

const PRELOAD = new URL('shifted-clock.mjs', import.meta.url)

export class HostClock {
  /** For the host's processes. */
  readonly env: Readonly<Record<string, string>>
  private readonly file: string

  private constructor(directory: string) {
    this.file = join(directory, 'ahead-ms')
    const options = [process.env['NODE_OPTIONS'] ?? '', `--import ${PRELOAD.href}`].join(' ').trim()
    this.env = { NODE_OPTIONS: options, SHIFTED_CLOCK: this.file }
    this.set(0)
  }

  static async create(): Promise<HostClock> {
    return new HostClock(await temporaryDirectory('clock'))
  }

  /** Sets it so far ahead of this machine's, at once also in processes that run. */
  set(aheadMs: number): void {
    writeFileSync(`${this.file}.new`, `${aheadMs}`)
    renameSync(`${this.file}.new`, this.file)
  }
}

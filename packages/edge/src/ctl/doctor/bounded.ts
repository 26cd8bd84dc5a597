import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import { within } from '@wazo-websocketd/shared/runtime/sleep'
import { messageOf } from '@wazo-websocketd/shared/runtime/startup-error'
import { error, type Finding } from '../finding.js'

/** One question of doctor about one thing. */
export interface Check {
  readonly name: string
  /** May reject with one line. */
  run(): Promise<readonly Finding[]>
}

/** What a check finds within `msMax` milliseconds. Never rejects: what hangs or fails is a finding, too. */
export async function bounded(check: Check, msMax: number, clock: Clock): Promise<readonly Finding[]> {
  try {
    return await within(clock, msMax, 'this check', check.run())
  } catch (thrown) {
    return [error(check.name, messageOf(thrown))]
  }
}

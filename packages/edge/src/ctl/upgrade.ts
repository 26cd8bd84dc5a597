/** The command `upgrade`. */
import { order, type AdminPlace } from './admin-client.js'
import { CommandError, type Result } from './result.js'
import { isUpgradeAnswer } from './shapes.js'
import { upgradeText } from './status-text.js'

/** Waits for as long as it takes: each worker may need a minute. */
export async function runUpgrade(edge: AdminPlace): Promise<Result> {
  const answer = await order(edge, '/admin/upgrade', {}, null)
  if (!isUpgradeAnswer(answer)) throw new CommandError('the edge is of another release than this tool')
  return {
    status: answer.result === 'success' ? 0 : 1,
    lines: [`upgrade: ${upgradeText(answer)}`],
    json: answer,
  }
}

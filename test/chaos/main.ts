/** `npm run chaos`: see nemesis/options.ts. */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { check } from '../support/checker/check.js'
import { Evidence } from '../support/checker/evidence.js'
import type { History } from '../support/checker/history.js'
import { stallsOf } from '../support/checker/stalls.js'
import { readOptions, USAGE, type Options } from './nemesis/options.js'
import { runProgram } from '../support/command-line.js'
import { run } from './nemesis/run.js'
import { invalidity, invalidityOfUpgrades, summary } from './nemesis/summary.js'

const INTERRUPTED = 130

await runProgram({ usage: USAGE, readOptions, run: chaos })

async function chaos({ seed, minutes, rounds, layout, kinds, upgrades }: Options): Promise<number> {
  const abort = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => abort.abort())
  const chosen = seed ?? Date.now() % 2 ** 32
  try {
    const outcome = await run({
      ...{ seed: chosen, minutes, rounds, layout, kinds, upgrades },
      ...{ print: console.log, signal: abort.signal },
    })
    const { history, counts, broken } = outcome
    const violations = check(history)
    const reasons =
      upgrades === null
        ? invalidity(history, counts, kinds, broken)
        : invalidityOfUpgrades(history, upgrades, broken)
    console.log(
      ['', ...summary(chosen, history, counts, kinds, violations), ...stallLines(history)].join('\n'),
    )
    for (const reason of reasons) console.log(`INVALID: ${reason}`)
    if (violations.length > 0) console.log(`history: ${keep(history)}`)
    return violations.length > 0 || reasons.length > 0 ? 1 : 0
  } catch (error) {
    if (!abort.signal.aborted) throw error
    console.log('interrupted')
    return INTERRUPTED
  }
}

/** How long the worst fault of each kind held up an event. */
function stallLines(history: History): string[] {
  const worst = new Map<string, number>()
  for (const [{ kind }, ms] of stallsOf(new Evidence(history)))
    worst.set(kind, Math.max(worst.get(kind) ?? 0, Math.round(ms)))
  return ['longest delivery    ' + [...worst].map(([kind, ms]) => `${kind} ${ms} ms`).join(', ')]
}

/** Writes the history to a file that stays. Gives its path. */
function keep(history: History): string {
  const file = join(mkdtempSync(join(tmpdir(), 'wazo-chaos-')), 'history.json')
  writeFileSync(file, JSON.stringify(history))
  return file
}

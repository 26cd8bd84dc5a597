import type { Plan } from './plan.js'
import { Figures } from './report/figures.js'
import { crowded } from './scenarios/crowded.js'
import { deliveries } from './scenarios/deliveries.js'
import { expiry } from './scenarios/expiry.js'
import { ingest } from './scenarios/ingest.js'
import { ladder } from './scenarios/ladder.js'
import { memory } from './scenarios/memory.js'
import type { ScenarioName } from './scenarios/names.js'
import { scaling } from './scenarios/scaling.js'
import { ScenarioError, type Scenario } from './scenarios/scenario.js'
import { storm } from './scenarios/storm.js'
import { Stage } from './stage.js'

const BY_NAME: Readonly<Record<ScenarioName, Scenario>> = {
  deliveries,
  ladder,
  crowded,
  scaling,
  memory,
  storm,
  ingest,
  expiry,
}

/** Runs the scenarios on one stage, one after the other. One that cannot be measured makes the run invalid, not the others. */
export async function run(
  plan: Plan,
  names: readonly ScenarioName[],
  say: (line: string) => void,
): Promise<Figures> {
  const figures = new Figures()
  const stage = await Stage.start()
  try {
    for (const name of names) {
      say(`-- ${name}`)
      try {
        await BY_NAME[name]({ stage, plan, figures, say })
      } catch (error) {
        if (!(error instanceof ScenarioError)) throw error
        figures.fault(name, '', error.message)
        say(`INVALID: ${error.message}`)
      }
    }
  } finally {
    await stage.stop()
  }
  return figures
}

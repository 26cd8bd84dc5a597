/** Which states and ways out of them a simulation has met. */
import type { NewEpochReason } from '@wazo-websocketd/ingest/attach/plan'
import type { AttachReason } from '@wazo-websocketd/ingest/publish/sequencer'
import type { Reach } from '@wazo-websocketd/edge/bus/ports'
import type { Session } from '../support/checker/history.js'

/** Records of a type's members: one that is missing here does not compile. */
const ATTACH: Record<AttachReason, null> = {
  ...{ gap: null, rolled: null, empty: null, epoch: null, failed: null },
  ...{ ended: null, silent: null, behind: null, hole: null, unmarked: null },
}
const NEW_EPOCH: Record<NewEpochReason, null> = {
  ...{ 'first-start': null, 'redis-empty': null, 'other-stream': null, trimmed: null },
  ...{ recreated: null, 'marker-gone': null, hole: null },
}
const RESUMED: Record<Reach, null> = { reached: null, 'too old': null, 'other epoch': null, unknown: null }
const LOST = [
  ...[
    'a new epoch began',
    'the log does not reach back far enough',
    'continuity could not be proven in time',
  ],
  ...['it stands still while others move', 'every ingest is down', 'no ingest has been heard of'],
  ...['the log holds another epoch', 'the log was trimmed', 'another number of partitions is in force'],
]
const ENDS = [1001, 1006, 1011, 1012, 1013, 4002, 4003]

/** How a log line names one of the states. */
const LINES = [
  ['attaching again', 'an ingest attaches again'],
  ['new epoch', 'a new epoch'],
  ['continuity of events lost', 'a partition is lost'],
  ['publishing the history again', 'Redis is seeded'],
] as const

/** Counts the states met, over all seeds of a run. */
export class Coverage {
  private readonly counts = new Map<string, number>()

  constructor() {
    for (const why of Object.keys(ATTACH)) this.counts.set(`an ingest attaches again: ${why}`, 0)
    for (const why of Object.keys(NEW_EPOCH)) this.counts.set(`a new epoch: ${why}`, 0)
    for (const why of LOST) this.counts.set(`a partition is lost: ${why}`, 0)
    for (const why of Object.keys(RESUMED)) this.counts.set(`a position is presented: ${why}`, 0)
    for (const code of ENDS) this.counts.set(`a session ends: ${code}`, 0)
    this.counts.set('Redis is seeded', 0)
  }

  /** Takes a line of a program's log. */
  line(line: string): void {
    for (const [words, state] of LINES) {
      if (!line.includes(`${words}"}`)) continue
      const why = /"why":"([^"]+)"/.exec(line)?.[1]
      this.met(why === undefined ? state : `${state}: ${why}`)
    }
  }

  session({ end, goesOn }: Session): void {
    if (end !== null && !end.byClient) this.met(`a session ends: ${end.code}`)
    if (goesOn !== undefined && goesOn.why !== 'no answer')
      this.met(`a position is presented: ${goesOn.why ?? 'reached'}`)
  }

  /** The states in words, those that were never met at the end. */
  report(): string[] {
    const met = [...this.counts].filter(([, count]) => count > 0)
    const never = [...this.counts].flatMap(([state, count]) => (count === 0 ? [state] : []))
    return [
      ...met.map(([state, count]) => `${state} (${count})`),
      ...never.map((state) => `${state}: never met`),
    ]
  }

  private met(state: string): void {
    this.counts.set(state, (this.counts.get(state) ?? 0) + 1)
  }
}

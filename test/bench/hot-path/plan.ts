/** What is measured, under which load, and how the three processes talk about it. */

/**
 * `ours`: the program's own parts. `minimal`: the same batches without log, numbering or proof of continuity.
 * `intake`: no Redis at all, only what both have to do to turn a message of the bus into an event.
 */
export type Way = 'ours' | 'minimal' | 'intake'

export const WAYS: readonly Way[] = ['ours', 'minimal', 'intake']

/** One load: events per batch, and events per second (null: as fast as it goes). */
export interface Load {
  readonly batch: number
  readonly perSecond: number | null
}

export const LOADS: readonly Load[] = [500, 5_000, null].flatMap((perSecond) =>
  [1, 10, 100].map((batch) => ({ batch, perSecond })),
)

/** Batches of one measurement at full speed: about as long as a paced one. */
const FULL_SPEED_BATCHES: Readonly<Record<number, number>> = { 1: 15_000, 10: 10_000, 100: 2_500 }

/** How many batches a measurement of about `seconds` has. */
export function batchesOf({ batch, perSecond }: Load, seconds: number): number {
  if (perSecond !== null) return Math.ceil((perSecond * seconds) / batch)
  return Math.ceil(((FULL_SPEED_BATCHES[batch] ?? 1_000) * seconds) / 2.5)
}

export function nameOf({ batch, perSecond }: Load): string {
  return `${perSecond === null ? 'full speed' : `${perSecond}/s`}, batches of ${batch}`
}

export const PREFIX = 'bench'
export const EPOCH = 'bench-epoch'
export const STREAM = 'bench.v1'

/** To the publishing process. */
export type ToPublisher =
  | { readonly do: 'open'; readonly way: Way; readonly url: string }
  | { readonly do: 'run'; readonly load: Load; readonly batches: number }
  | { readonly do: 'close' }

/** To the subscribing process. */
export type ToSubscriber =
  | { readonly do: 'open'; readonly way: Way; readonly url: string }
  /** Answered when so many events have arrived. */
  | { readonly do: 'count'; readonly events: number }
  | { readonly do: 'close' }

/** What a process used for what it was told to do; `fault`: what makes it invalid. */
export interface Usage {
  readonly cpuUs: number
  readonly wallMs: number
  readonly fault: string | null
}

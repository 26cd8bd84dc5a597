/** Intervals and timeouts of an ingest, milliseconds. */
export const TIMINGS = {
  reconnectFirstMs: 100,
  reconnectMaxMs: 2000,
  /** Between two declarations of exchanges and bindings while attached. */
  topologyCheckMs: 5000,
  /** A failure that lasts is logged again after this time. */
  repeatLogMs: 60_000,

  /** RabbitMQ and Redis may take so long for one attempt to set the ingest up. */
  attemptTimeoutMs: 15_000,
  /** The message at head may take so long to come before the end of the stream is looked at. */
  messageTimeoutMs: 3000,
  /** Between two reads of a Redis that other ingests may know more about. */
  redisPollMs: 200,
  /** An ingest that is attached moves the heads within this time. */
  headWatchMs: 2200,
  /** An ingest that remembers less than the whole history leaves an empty Redis so long to one that remembers it. */
  partialHistoryWaitMs: 500,
  /** An ingest without a memory leaves an empty Redis so long to those with one. */
  emptyWaitMs: 3000,
  /** The head of another stream, partition count or form has to stand still so long before it is given up. */
  foreignWaitMs: 5000,

  /** Between two reads of the head by a follower. */
  headPollMs: 200,
  /** As `headPollMs`, with a window half full: the follower has to keep up with the one that publishes. */
  backlogPollMs: 10,
  /** With nothing to publish the head is read when Redis has not answered for so long: it may have lost its data. */
  idlePollMs: 1000,
  /** A follower publishes by itself when its oldest delivery has waited so long. */
  takeoverMs: 500,
  /** A partition without an answer for so long no longer keeps the others from going on. */
  unreachableMs: 2000,
  /** A partition that Redis did not bring into the epoch is left out for so long at first, and at most when it goes on. */
  rejoinFirstMs: 500,
  rejoinMaxMs: 10_000,
  /** Between two attempts of a call that Redis did not answer. */
  retryMs: 100,

  /** Between two beats, which are the canaries that move the heads, and two states on the live channels. */
  beatMs: 1000,
  /** Between two canaries. */
  canaryIntervalMs: 100,
  /** The last canary that came through may be so old for `up`, and one that is awaited may take so long. */
  canaryTimeoutMs: 3000,
  /** Without messages for so long, while ticks come, the stream has changed its leader and lost what came meanwhile. */
  streamStallMs: 3000,
  /** Without messages for so long, while canaries go out, the consumer no longer delivers. */
  watchdogMs: 10_000,
  /** Without progress for so long, because of the broker, the ingest counts as down. */
  downAfterMs: 10_000,
}

export type Timings = Readonly<typeof TIMINGS>

/**
 * With several hosts the stream can change its leader: with the death of a node it stands still for 250 ms or longer. On a
 * busy machine it also does so without that, for up to 160 ms of checks (docs/adr/0011).
 */
const CLUSTER_TIMINGS: Partial<Timings> = { canaryIntervalMs: 20, streamStallMs: 200 }

/** The timings for so many hosts of the broker. */
export function timingsFor(hosts: number): Timings {
  return hosts > 1 ? { ...TIMINGS, ...CLUSTER_TIMINGS } : TIMINGS
}

import cluster, { type Worker } from 'node:cluster'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import { childArguments } from '@wazo-websocketd/shared/runtime/early-signals'
import type { PrimaryMessage } from './messages.js'
import { workerPeer, type HandoverPeer } from '../handover/channel.js'

/** A worker as the pool sees it; tests give it others than real processes. */
export interface WorkerProcess {
  readonly id: number
  readonly pid: number | undefined
  /** The same worker, as it passes and takes connections. */
  readonly peer: HandoverPeer
  send(message: PrimaryMessage): void
  kill(signal: 'SIGKILL'): void
  onMessage(listener: (message: unknown) => void): void
  /** Exactly once, when the process has ended. */
  onExit(listener: (code: number | null, signal: string | null) => void): void
}

/** How long after its exit the last messages of a worker may arrive. */
const LATE_MS = 1_000

/**
 * A way to start workers that run the module at `path()`, asked each time, with the program's arguments. Each worker
 * accepts connections by itself (docs/adr/0014).
 */
export function clusterFork(path: () => string, args: readonly string[], clock: Clock): () => WorkerProcess {
  cluster.schedulingPolicy = cluster.SCHED_NONE
  return () => {
    const execArgv = [...process.execArgv, ...childArguments]
    cluster.setupPrimary({ exec: path(), args: [...args], execArgv })
    return new ClusterWorkerProcess(cluster.fork(), clock)
  }
}

/** Forks one worker, and exchanges messages with it. */
class ClusterWorkerProcess implements WorkerProcess {
  readonly peer: HandoverPeer
  private readonly worker: Worker
  private readonly clock: Clock

  constructor(worker: Worker, clock: Clock) {
    this.worker = worker
    this.clock = clock
    this.peer = workerPeer(worker)
    // A channel that breaks is followed by the worker's exit, which is where the pool acts.
    worker.on('error', () => undefined)
  }

  get id(): number {
    return this.worker.id
  }

  get pid(): number | undefined {
    return this.worker.process.pid
  }

  send(message: PrimaryMessage): void {
    if (this.worker.isConnected()) this.worker.send(message, () => undefined)
  }

  kill(signal: 'SIGKILL'): void {
    this.worker.process.kill(signal)
  }

  onMessage(listener: (message: unknown) => void): void {
    this.worker.on('message', listener)
  }

  /**
   * Waits for the end of the channel too: the last messages of a worker may arrive after its exit. Not for long: Node 20
   * never tells of it while handles wait in the channel for a process that was killed.
   */
  onExit(listener: (code: number | null, signal: string | null) => void): void {
    const { process } = this.worker
    process.once('exit', (code, signal) => {
      let ended = false
      const tell = () => {
        if (!ended) listener(code, signal)
        ended = true
      }
      if (!process.connected) {
        tell()
        return
      }
      const limit = this.clock.after(LATE_MS, tell)
      process.once('disconnect', () => {
        limit.cancel()
        tell()
      })
    })
    // A process that could not even be started has no pid and never exits.
    process.once('error', () => {
      if (process.pid === undefined) listener(null, null)
    })
  }
}

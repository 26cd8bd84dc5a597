import type { Program } from '../../support/program.mjs'
import type { Cluster } from '../../support/cluster.js'
import { Wire } from '../../support/wire.js'

/** How Redis answers the script when the batch went in, in its protocol. */
const WENT_IN = Buffer.from('*3\r\n$2\r\nOK\r\n')
/** Of any kind. */
const ANSWER = /\*[1-3]\r\n\$/
const CALL = /evalsha/i

/** An ingest whose way to Redis is looked at: when it publishes, and whether an answer is due. */
export class WatchedIngest {
  readonly program: Program
  readonly wire: Wire
  /** A call of the script is on its way or its answer is. */
  inFlight = false
  private readonly cluster: Cluster
  private readonly watchers: Watchers

  private constructor(cluster: Cluster, program: Program, wire: Wire, watchers: Watchers) {
    this.cluster = cluster
    this.program = program
    this.wire = wire
    this.watchers = watchers
    watchers.called.push(() => (this.inFlight = true))
    watchers.answered.push(() => (this.inFlight = false))
  }

  /** Resolves when the ingest is ready. */
  static async start(cluster: Cluster): Promise<WatchedIngest> {
    const watchers: Watchers = { called: [], answered: [], wentIn: [] }
    const wire = await Wire.to(cluster.redis.port, {
      up: (bytes) => CALL.test(bytes.toString('latin1')) && tell(watchers.called),
      down(bytes) {
        if (ANSWER.test(bytes.toString('latin1'))) tell(watchers.answered)
        if (bytes.includes(WENT_IN)) tell(watchers.wentIn)
      },
    })
    const redis = new URL(cluster.redis.url)
    redis.port = String(wire.port)
    const program = await cluster.startIngest({ redis: { url: redis.href } })
    return new WatchedIngest(cluster, program, wire, watchers)
  }

  /** Resolves at its next call of the script, as soon as it has been seen. */
  nextCall(): Promise<void> {
    return next(this.watchers.called)
  }

  /** Resolves when Redis has next taken a batch from it. */
  nextBatch(): Promise<void> {
    return next(this.watchers.wentIn)
  }

  /** Ends it without a warning. */
  async kill(): Promise<void> {
    this.program.kill('SIGKILL')
    this.cluster.ingests.splice(this.cluster.ingests.indexOf(this.program), 1)
    await this.program.exit
    await this.wire.refuse()
  }
}

/** The first of several from which Redis takes a batch, from now on. */
export function nextToPublish(ingests: readonly WatchedIngest[]): Promise<WatchedIngest> {
  return Promise.race(ingests.map((ingest) => ingest.nextBatch().then(() => ingest)))
}

/** Whom to tell of calls, of answers, and of answers that say that a batch went in. */
interface Watchers {
  readonly called: (() => void)[]
  readonly answered: (() => void)[]
  readonly wentIn: (() => void)[]
}

function tell(listeners: readonly (() => void)[]): void {
  for (const listener of [...listeners]) listener()
}

function next(listeners: (() => void)[]): Promise<void> {
  return new Promise((resolve) => {
    const once = (): void => {
      listeners.splice(listeners.indexOf(once), 1)
      resolve()
    }
    listeners.push(once)
  })
}

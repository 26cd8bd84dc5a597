import { parseHostPort, type HostPort } from '@wazo-websocketd/shared/runtime/host-port'

export interface BrokerHost extends HostPort {
  readonly name: string
}

/** Says that no host took the connection. */
export class NoHostError extends Error {
  override name = 'NoHostError'
  readonly failures: readonly { readonly host: string; readonly error: unknown }[]

  constructor(failures: NoHostError['failures']) {
    super('no host of RabbitMQ takes a connection')
    this.failures = failures
  }
}

/** Gives the hosts of the broker in turn; shared by all connections of an ingest, so that they meet at one node. */
export class BrokerHosts {
  private readonly all: readonly BrokerHost[]
  private currentIndex = 0

  constructor(names: readonly string[]) {
    this.all = names.map((name) => ({ name, ...parseHostPort(name) }))
  }

  get count(): number {
    return this.all.length
  }

  /** The host that took a connection last. */
  get current(): string {
    return this.all[this.currentIndex]?.name ?? ''
  }

  /** Puts the current host, which takes connections and serves nothing, behind the others. False: there is no other. */
  skip(): boolean {
    this.currentIndex = (this.currentIndex + 1) % this.all.length
    return this.all.length > 1
  }

  /**
   * Connects to the first host that takes it: the current one, then the next ones in turn, at once.
   * Rejects with NoHostError.
   */
  async connect<T>(connect: (host: BrokerHost) => Promise<T>): Promise<T> {
    const first = this.currentIndex
    const failures: { host: string; error: unknown }[] = []
    for (let tried = 0; tried < this.all.length; tried++) {
      const index = (first + tried) % this.all.length
      const host = this.all[index] as BrokerHost
      try {
        const connection = await connect(host)
        this.currentIndex = index
        return connection
      } catch (error) {
        failures.push({ host: host.name, error })
      }
    }
    throw new NoHostError(failures)
  }
}

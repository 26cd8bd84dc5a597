import { Redis, type RedisOptions } from 'ioredis'

/** Says of every failover: the master's name, its old and its new address. */
const CHANNEL = '+switch-master'
const RECONNECT_MS = 1000
/** Nothing is ever sent: only so it shows that a sentinel's host has vanished. */
const KEEP_ALIVE_MS = 5000

export interface SentinelWatchOptions {
  readonly sentinels: readonly { readonly host: string; readonly port: number }[]
  /** The master's name. */
  readonly name: string
  /** What a connection to a sentinel takes. */
  readonly access: Pick<RedisOptions, 'password' | 'tls' | 'connectTimeout' | 'connectionName'>
  /** Another Redis has become master; once, however many sentinels say so. */
  readonly switched: () => void
}

/** Hears of failovers: a connection to a master that hangs, or whose host has vanished, shows nothing of it. */
export class SentinelWatch {
  private readonly clients: readonly Redis[]
  private last = ''

  constructor({ sentinels, name, access, switched }: SentinelWatchOptions) {
    const keep = { keepAlive: KEEP_ALIVE_MS, autoResubscribe: false, maxRetriesPerRequest: null }
    const options = { ...access, ...keep, retryStrategy: () => RECONNECT_MS }
    this.clients = sentinels.map(({ host, port }) => {
      const client = new Redis({ ...options, host, port, enableReadyCheck: false })
      client.on('error', () => undefined) // the connections to the master tell what is wrong with sentinels
      client.on('message', (_channel: string, text: string) => {
        if (text === this.last || !text.startsWith(`${name} `)) return
        this.last = text
        switched()
      })
      // Not left to the client, which would throw what a sentinel refuses.
      client.on('ready', () => void client.subscribe(CHANNEL).catch(() => undefined))
      return client
    })
  }

  close(): void {
    for (const client of this.clients) client.disconnect()
  }
}

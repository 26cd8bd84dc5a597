import { connect, type ChannelModel, type ConsumeMessage } from 'amqplib'

const STREAM = 'wazo-websocketd.v1'
const CREDIT = 500
const RETRY_MS = 200
/** A reader that was attached to a broker just restarted may stay deaf on a healthy connection: it is replaced. */
const DEAF_MS = 3000
/** A restarted broker may have kept less than was read before, and give the numbers once more. */
const OVERLAP = 5000

export interface StreamListener {
  read(body: Buffer, offset: number): void
  /** Something is on the stream that has not been read. */
  isBehind(): boolean
}

/**
 * Reads the broker's stream from its beginning to its end, through whatever happens to the broker: on a
 * connection of its own, made again when it breaks or when nothing comes although something should. Reads some
 * messages more than once.
 */
export class StreamReader {
  private readonly urls: readonly string[]
  private tries = 0
  private readonly listener: StreamListener
  private readonly watch: NodeJS.Timeout
  private detach: () => void = () => undefined
  private highest = -1
  private heardAt = 0
  private open = true

  constructor(urls: readonly string[], listener: StreamListener) {
    this.urls = urls
    this.listener = listener
    this.watch = setInterval(() => this.replaceWhenDeaf(), DEAF_MS / 10)
    void this.stayAttached()
  }

  close(): void {
    this.open = false
    clearInterval(this.watch)
    this.detach()
  }

  private async stayAttached(): Promise<void> {
    while (this.open) {
      try {
        const connection = await connect(`${this.urls[this.tries++ % this.urls.length]}?heartbeat=5`, {
          noDelay: true,
        })
        await this.readUntilClosed(connection)
      } catch {
        // the broker is away, or not yet itself again
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
    }
  }

  private async readUntilClosed(connection: ChannelModel): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      connection.once('close', () => resolve())
      this.detach = resolve
    })
    connection.on('error', () => undefined)
    const end = (): void => void connection.close().catch(() => undefined)
    try {
      const channel = await connection.createChannel()
      channel.on('error', end)
      await channel.prefetch(CREDIT)
      const from = this.highest < OVERLAP ? 'first' : this.highest - OVERLAP
      const take = (message: ConsumeMessage | null): void => {
        if (message === null) end()
        else {
          channel.ack(message)
          this.take(message)
        }
      }
      await channel.consume(STREAM, take, { arguments: { 'x-stream-offset': from } })
      this.heardAt = performance.now()
      await closed
    } finally {
      end() // what does not answer any more is left to its heartbeats
    }
  }

  private take({ content, properties }: ConsumeMessage): void {
    this.heardAt = performance.now()
    const offset = Number((properties.headers as Record<string, unknown>)['x-stream-offset'])
    this.highest = Math.max(this.highest, offset)
    this.listener.read(content, offset)
  }

  private replaceWhenDeaf(): void {
    if (performance.now() - this.heardAt < DEAF_MS || !this.listener.isBehind()) return
    this.heardAt = performance.now()
    this.detach()
  }
}

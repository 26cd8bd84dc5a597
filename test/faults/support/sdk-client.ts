import { createRequire } from 'node:module'
import type { WebSocketClient } from '@wazo/sdk'
import { WebSocket } from 'ws'
import type { EdgeHost } from '../../support/cluster.js'
import { Tally, type Verdict } from '../../support/tally.js'
import { waitFor } from '../../support/wait.mjs'

const START_MS_MAX = 60_000

const require = createRequire(import.meta.url)
const sdk = require('@wazo/sdk') as { WebSocketClient: typeof WebSocketClient }

export interface SdkClientOptions {
  readonly token: string
  readonly host: () => EdgeHost
}

/** The client of Wazo's own SDK with its own way of coming back; the only thing changed is that it speaks without TLS. */
export class SdkClient {
  readonly tally = new Tally()
  /** The close codes of its connections. */
  readonly codes: number[] = []
  private readonly client: WebSocketClient
  private starts = 0

  private constructor({ token, host }: SdkClientOptions) {
    class PlainWebSocket extends WebSocket {
      constructor(url: string, protocols: string[]) {
        const { pathname, search } = new URL(url)
        super(`${host().url}${pathname}${search}`, protocols)
      }
    }
    this.client = new sdk.WebSocketClient(
      { host: 'wazo.example', token, version: 2, events: ['numbered'] },
      { WebSocket: PlainWebSocket },
    )
    this.client.on('initialized', () => this.starts++)
    this.client.on('onclose', ({ code }: { code: number }) => this.codes.push(code))
    this.client.on('numbered', ({ data }: { data: { n: number } }) => this.tally.arrived(data.n))
  }

  /** Resolves when its first session has started. */
  static async start(options: SdkClientOptions): Promise<SdkClient> {
    const made = new SdkClient(options)
    made.client.connect()
    await waitFor(() => made.starts === 1, { timeoutMs: START_MS_MAX, what: 'the SDK to be initialized' })
    return made
  }

  get connected(): boolean {
    return this.client.initialized
  }

  verdict(sent: number): Verdict {
    return this.tally.verdict(sent)
  }

  end(): Promise<void> {
    this.client.close(true)
    return Promise.resolve()
  }
}

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { WebSocket, WebSocketServer } from 'ws'

/** One session that passes through, by the order of arrival. */
export interface Link {
  readonly index: number
  /** Events that came for it so far. */
  events: number
  /** To the client. */
  send(text: string): void
}

/** What a crook does to sessions. */
export interface Bug {
  /** What to send instead of a frame of the server; the same, where absent. */
  frame?(link: Link, text: string, links: readonly Link[]): readonly string[]
  /** Waited for before the server's close is passed on. */
  closing?(link: Link): Promise<void>
  /** The edge's worker has passed its connections on to another one. */
  handedOver?(): void
}

/** A way to an edge which passes everything on, but for one deliberate bug. */
export class Crook {
  readonly url: string
  private readonly server: WebSocketServer
  private readonly links: Link[] = []
  private readonly target: string
  private readonly bug: Bug

  private constructor(server: WebSocketServer, target: string, bug: Bug) {
    this.server = server
    this.target = target
    this.bug = bug
    this.url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
    server.on('connection', (client, request) => this.join(client, request.url ?? '/'))
  }

  static async before(target: string, bug: Bug): Promise<Crook> {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    await once(server, 'listening')
    return new Crook(server, target, bug)
  }

  handedOver(): void {
    this.bug.handedOver?.()
  }

  async stop(): Promise<void> {
    for (const client of this.server.clients) client.terminate()
    await new Promise((resolve) => this.server.close(resolve))
  }

  private join(client: WebSocket, url: string): void {
    const upstream = new WebSocket(new URL(url, this.target))
    const opened = once(upstream, 'open')
    opened.catch(() => client.terminate())
    const link: Link = {
      index: this.links.length,
      events: 0,
      send: (text) => client.readyState === WebSocket.OPEN && client.send(text),
    }
    this.links.push(link)
    client.on('message', (data: Buffer) => void opened.then(() => upstream.send(data.toString())))
    client.once('close', () => upstream.terminate())
    upstream.on('message', (data: Buffer) => this.pass(link, data.toString()))
    upstream.on('error', () => undefined)
    upstream.once('close', (code) => void this.end(link, client, code))
  }

  private pass(link: Link, text: string): void {
    if (isEvent(text)) link.events++
    for (const frame of this.bug.frame?.(link, text, this.links) ?? [text]) link.send(frame)
  }

  private async end(link: Link, client: WebSocket, code: number): Promise<void> {
    await this.bug.closing?.(link)
    if (client.readyState !== WebSocket.OPEN) return
    if (code === 1006) client.terminate()
    else client.close(code)
  }
}

/** Of either version. */
export function isEvent(text: string): boolean {
  return /"n":\d+}/.test(text)
}

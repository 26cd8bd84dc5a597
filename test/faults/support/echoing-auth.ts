import { once } from 'node:events'
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** How it fails; all but `reset` say the token back, as wazo-auth and what stands before it may do. */
export const ECHOES = [
  'status 500',
  'redirect',
  'body that is no JSON',
  'details that are incomplete',
  'reset',
  'reset within the body',
  'status line that is none',
  'header that is none',
] as const
export type Echo = (typeof ECHOES)[number]

/** Stands before wazo-auth's stand-in, and fails for the tokens that it is told to fail for. */
export class EchoingAuth {
  /** Secrets that wazo-auth has given out: the tokens of the service itself. */
  readonly serviceTokens: string[] = []
  private readonly server: Server
  private readonly failing = new Map<string, Echo>()
  private readonly failures = new Map<string, number>()
  private behind: { readonly host: string; readonly port: number } | null = null

  private constructor(server: Server) {
    this.server = server
    server.on('request', (incoming: IncomingMessage, response: ServerResponse) =>
      this.handle(incoming, response),
    )
  }

  static async start(): Promise<EchoingAuth> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new EchoingAuth(server)
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  /** Whom to ask about all other tokens. */
  standBefore(auth: { readonly host: string; readonly port: number }): void {
    this.behind = auth
  }

  failFor(token: string, echo: Echo): void {
    this.failing.set(token, echo)
  }

  /** How often it has failed for a token. */
  failed(token: string): number {
    return this.failures.get(token) ?? 0
  }

  async stop(): Promise<void> {
    const closed = once(this.server, 'close')
    this.server.close()
    this.server.closeAllConnections()
    await closed
  }

  private handle(incoming: IncomingMessage, response: ServerResponse): void {
    const [, encoded = ''] = /\/token\/([^?]*)/.exec(incoming.url ?? '') ?? []
    const token = decodeURIComponent(encoded)
    const echo = this.failing.get(token)
    if (echo === undefined) {
      this.pass(incoming, response)
      return
    }
    this.failures.set(token, this.failed(token) + 1)
    fail(echo, token, response)
  }

  private pass(incoming: IncomingMessage, response: ServerResponse): void {
    const { method, url: path, headers } = incoming
    const outgoing = request({ ...this.behind, method, path, headers, agent: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      let body = ''
      answer.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
      answer.on('end', () => {
        if (method === 'POST' && answer.statusCode === 200) this.remember(body)
        response.end(body)
      })
    })
    outgoing.on('error', () => response.destroy())
    incoming.pipe(outgoing)
  }

  private remember(body: string): void {
    const { data } = JSON.parse(body) as { data: { token: string } }
    this.serviceTokens.push(data.token)
  }
}

function fail(echo: Echo, token: string, response: ServerResponse): void {
  const socket = response.socket
  const json = { 'Content-Type': 'application/json' }
  const reason = `no answer for GET /0.1/token/${token}`
  switch (echo) {
    case 'status 500':
      response
        .writeHead(500, { ...json, 'X-Request': token })
        .end(JSON.stringify({ reason: [reason], token }))
      break
    case 'redirect':
      response.writeHead(302, { Location: `/elsewhere/token/${token}` }).end(reason)
      break
    case 'body that is no JSON':
      response.writeHead(200, json).end(`{"data": {"token": "${token}`)
      break
    case 'details that are incomplete':
      response
        .writeHead(200, json)
        .end(JSON.stringify({ data: { token, acl: [token], utc_expires_at: token } }))
      break
    case 'reset':
      socket?.resetAndDestroy()
      break
    case 'reset within the body':
      response
        .writeHead(200, { ...json, 'Content-Length': 1_000 })
        .write(`{"data": {"token": "${token}"`, () => socket?.resetAndDestroy())
      break
    case 'status line that is none':
      socket?.end(`HTTP/1.1 2xx ${token}\r\n\r\n`)
      break
    case 'header that is none':
      socket?.end(`HTTP/1.1 200 OK\r\nContent-Length: ${token}\r\n${token}\r\n\r\n`)
      break
  }
}

/** Questions and orders of an operator to a running program: JSON over HTTP (docs/admin.md). */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { isLoopback } from './network.js'
import { messageOf } from './startup-error.js'

export interface AdminRequest {
  readonly query: URLSearchParams
  /** The body of an order: a JSON value, `{}` where there is none. */
  readonly body: unknown
}

export interface AdminAnswer {
  readonly status: number
  /** JSON text, whole or in pieces as they come. */
  readonly json: string | AsyncIterable<string>
}

/** One path of the endpoint. Routes that change something are asked with POST, over the unix socket only. */
export interface AdminRoute {
  readonly changes: boolean
  answer(request: AdminRequest): Promise<AdminAnswer>
}

/** By path, all of which begin with `/admin/`. */
export type AdminRoutes = ReadonlyMap<string, AdminRoute>

const BODY_BYTES_MAX = 64 * 1024
const LITERAL_HOST = /^(localhost|[\d.]+|\[[\da-f:.]+\])(:\d+)?$/i

/** An answer that is whole. */
export function adminAnswer(value: unknown, status = 200): AdminAnswer {
  return { status, json: `${JSON.stringify(value)}\n` }
}

/** An answer that says in one line why there is no other. */
export function adminError(status: number, error: string): AdminAnswer {
  return adminAnswer({ error }, status)
}

/**
 * Answers a request for one of the routes. `mayChange`: it came over the unix socket.
 * Over TCP only this machine is answered: sessions name users and addresses, and `metrics.listen` may be open to a network.
 */
export async function handleAdmin(
  routes: AdminRoutes,
  request: IncomingMessage,
  response: ServerResponse,
  mayChange: boolean,
): Promise<void> {
  const answer = await answerOf(routes, request, mayChange)
  response.writeHead(answer.status, {
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'no-store',
  })
  try {
    if (typeof answer.json === 'string') response.end(answer.json)
    else await pipeline(answer.json, response)
  } catch {
    // The status is out, or nobody listens any more: an answer that is cut off is no JSON, which tells.
    response.destroy()
  }
}

async function answerOf(
  routes: AdminRoutes,
  request: IncomingMessage,
  mayChange: boolean,
): Promise<AdminAnswer> {
  // Taken apart by hand: a URL would throw at a target such as `//`.
  const [path = '', ...query] = (request.url ?? '').split('?')
  if (!mayChange && !isOfThisMachine(request))
    return adminError(403, 'the admin endpoint answers this machine only, by address')
  const route = routes.get(path)
  if (route === undefined) return adminError(404, `not found: there are ${[...routes.keys()].join(', ')}`)
  if (route.changes && !mayChange)
    return adminError(403, 'orders are taken over the unix socket only (admin.socket)')
  const method = route.changes ? 'POST' : 'GET'
  if (request.method !== method) return adminError(405, `${path} is asked with ${method}`)
  try {
    const body = route.changes ? await readBody(request) : {}
    return await route.answer({ query: new URLSearchParams(query.join('?')), body })
  } catch (error) {
    return adminError(error instanceof BadBodyError ? 400 : 500, messageOf(error))
  }
}

/** A name in `Host` may be that of a web page, whose server has given it this address. */
function isOfThisMachine({ socket, headers }: IncomingMessage): boolean {
  const { remoteAddress = '', localAddress } = socket
  const near = isLoopback(remoteAddress) || remoteAddress === localAddress
  return near && headers.origin === undefined && LITERAL_HOST.test(headers.host ?? '')
}

/** Says that the body of a request cannot be read. */
class BadBodyError extends Error {
  override name = 'BadBodyError'
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > BODY_BYTES_MAX) throw new BadBodyError(`the body is larger than ${BODY_BYTES_MAX} bytes`)
    chunks.push(chunk)
  }
  if (bytes === 0) return {}
  try {
    return JSON.parse(Buffer.concat(chunks).toString()) as unknown
  } catch {
    throw new BadBodyError('the body is not JSON')
  }
}

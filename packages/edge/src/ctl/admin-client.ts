/** Speaks to the admin endpoints of this host. */
import { parseJson } from '@wazo-websocketd/shared/domain/guards'
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { isRecord } from '@wazo-websocketd/shared/domain/guards'
import { errorCode } from '@wazo-websocketd/shared/runtime/system-error'

/** Where a program answers. */
export interface AdminPlace {
  /** How the program is called in errors. */
  readonly program: string
  /** `admin.socket`; null: it has none. */
  readonly socket: string | null
  /** `metrics.listen` and the port; null: not to be tried. */
  readonly listen: { readonly host: string; readonly port: number } | null
}

/** Says why there is no answer, or what an answer refuses; one line for the operator. */
export class AdminError extends Error {
  override name = 'AdminError'
}

const ANSWER_BYTES_MAX = 256 * 1024 * 1024
const UNREACHABLE: ReadonlySet<string> = new Set(['ENOENT', 'ECONNREFUSED', 'ENOTSOCK'])

/** Asks: over the unix socket, or where that is not there over the port. @throws AdminError */
export async function ask(place: AdminPlace, path: string, msMax: number): Promise<unknown> {
  const { program, socket, listen } = place
  const tries: RequestOptions[] = [
    ...(socket === null ? [] : [{ socketPath: socket }]),
    ...(listen === null ? [] : [{ host: reachable(listen.host), port: listen.port }]),
  ]
  let failure: unknown = new Error('no address is known')
  for (const to of tries)
    try {
      return await sendRequest({ ...to, path, method: 'GET' }, null, msMax)
    } catch (error) {
      if (error instanceof AdminError) throw error
      failure = error
    }
  throw new AdminError(`${program} does not answer ${where(place)}: ${describeRequestError(failure)}`)
}

/** Orders: over the unix socket only. `msMax`: null waits for as long as it takes. @throws AdminError */
export async function order(
  { program, socket }: AdminPlace,
  path: string,
  body: object,
  msMax: number | null,
): Promise<unknown> {
  if (socket === null) throw new AdminError('admin.socket is null: this host takes no orders')
  try {
    return await sendRequest({ socketPath: socket, path, method: 'POST' }, JSON.stringify(body), msMax)
  } catch (error) {
    if (error instanceof AdminError) throw error
    throw new AdminError(`${program} takes no orders at ${socket}: ${describeRequestError(error)}`)
  }
}

function sendRequest(options: RequestOptions, body: string | null, msMax: number | null): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const headers = { host: 'localhost', ...(body === null ? {} : { 'content-type': 'application/json' }) }
    const signal = msMax === null ? {} : { signal: AbortSignal.timeout(msMax) }
    const request = httpRequest({ ...options, ...signal, headers }, (response) => {
      readAnswer(response).then(resolve, reject)
    })
    request.on('error', reject)
    request.end(body ?? undefined)
  })
}

async function readAnswer(response: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > ANSWER_BYTES_MAX) throw new AdminError('the answer is too large')
    chunks.push(chunk)
  }
  const value = parseJson(Buffer.concat(chunks).toString())
  if (value === undefined)
    throw new AdminError(`what answers there is no wazo-websocketd (status ${response.statusCode ?? 0})`)
  if (response.statusCode === 200) return value
  const error = isRecord(value) ? value['error'] : undefined
  throw new AdminError(typeof error === 'string' ? error : `status ${response.statusCode ?? 0}`)
}

/** An address on which a program listens everywhere is reached at this machine's own. */
function reachable(host: string): string {
  return host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
}

function where({ socket, listen }: AdminPlace): string {
  const port = listen === null ? [] : [`${reachable(listen.host)}:${listen.port}`]
  return `at ${[...(socket === null ? [] : [socket]), ...port].join(' or ')}`
}

function describeRequestError(error: unknown): string {
  const code = errorCode(error)
  if (UNREACHABLE.has(code)) return 'is it running here, with this configuration (-c)?'
  if (code === 'EACCES') return 'permission denied: run as root, or as a member of the group of the service'
  if (error instanceof Error && error.name === 'TimeoutError') return 'no answer in time'
  return error instanceof Error ? error.message : String(error)
}

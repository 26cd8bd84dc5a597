import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import type { Pool } from 'undici'

/** Far above the largest ACL that is accepted (5,000 patterns of 512 bytes). */
const BODY_MAX_BYTES = 8 * 1024 * 1024

/** One request over a pool. */
export interface Exchange {
  readonly pool: Pool
  readonly clock: Clock
  readonly path: string
  readonly method: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  /** Deadline for the whole of it, connecting and body included. */
  readonly timeoutMs: number
}

export type Answer =
  | {
      readonly kind: 'answered'
      readonly status: number
      readonly body: string
      /** The `Date` header. */
      readonly date: string | undefined
      /** Monotonic milliseconds at which the headers had come. */
      readonly headersAt: number
    }
  | { readonly kind: 'too-big' }
  /** `why` is a code such as ECONNREFUSED: messages of the HTTP library could hold the path, and so the token. */
  | { readonly kind: 'failed'; readonly timedOut: boolean; readonly why: string }

/** Sends one request and reads its answer within the deadline. Never rejects. */
export async function exchange(request: Exchange): Promise<Answer> {
  const { pool, clock, path, method, headers, timeoutMs } = request
  const abort = new AbortController()
  const deadline = clock.after(timeoutMs, () => abort.abort())
  try {
    const { body = null } = request
    const response = await pool.request({ path, method, headers, body, signal: abort.signal })
    const headersAt = clock.monotonic()
    const text = await readText(response.body)
    if (text === null) return { kind: 'too-big' }
    const { date } = response.headers
    return {
      kind: 'answered',
      status: response.statusCode,
      body: text,
      date: typeof date === 'string' ? date : undefined,
      headersAt,
    }
  } catch (error) {
    const timedOut = abort.signal.aborted
    return {
      kind: 'failed',
      timedOut,
      why: timedOut ? `no answer within ${timeoutMs / 1_000} s` : codeOf(error),
    }
  } finally {
    deadline.cancel()
  }
}

/** The whole body, or null when it is bigger than anything that wazo-auth says; the rest is not read. */
async function readText(body: AsyncIterable<Buffer>): Promise<string | null> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > BODY_MAX_BYTES) return null
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'failed'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}

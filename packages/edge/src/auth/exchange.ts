import type { IncomingHttpHeaders } from 'node:http'
import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'
import { errorCode } from '@wazo-websocketd/shared/runtime/system-error'
import type { Dispatcher, Pool } from 'undici'

/** Far above the largest ACL that is accepted (5,000 patterns of 512 bytes). */
const BODY_MAX_BYTES = 8 * 1024 * 1024

/** One request over a pool. */
export interface HttpRequest {
  readonly pool: Pool
  readonly clock: Clock
  readonly path: string
  readonly method: 'GET' | 'HEAD' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  /** Deadline for the whole of it, connecting and body included. */
  readonly timeoutMs: number
}

export type HttpAnswer =
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
export function exchange(request: HttpRequest): Promise<HttpAnswer> {
  const { pool, path, method, headers, body = null } = request
  return new Promise((resolve) => {
    pool.dispatch({ path, method, headers, body }, new AnswerReader(request, resolve))
  })
}

/** Takes in the answer to one request; undici's `request` does the same with a stream and an abort signal each time. */
class AnswerReader implements Dispatcher.DispatchHandler {
  private readonly request: HttpRequest
  private readonly resolve: (answer: HttpAnswer) => void
  private readonly deadline: Timer
  private controller: Dispatcher.DispatchController | null = null
  private over = false
  private status = 0
  private date: string | undefined
  private headersAt = 0
  private chunks: Buffer[] = []
  private bytes = 0

  constructor(request: HttpRequest, resolve: (answer: HttpAnswer) => void) {
    const { clock, timeoutMs } = request
    this.request = request
    this.resolve = resolve
    const why = `no answer within ${timeoutMs / 1_000} s`
    this.deadline = clock.after(timeoutMs, () => this.giveUp({ kind: 'failed', timedOut: true, why }))
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller
    // Its time was over before a connection was free.
    if (this.over) controller.abort(new Error('too late'))
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
  ): void {
    this.status = status
    this.date = typeof headers.date === 'string' ? headers.date : undefined
    this.headersAt = this.request.clock.monotonic()
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.bytes += chunk.length
    if (this.bytes > BODY_MAX_BYTES) this.giveUp({ kind: 'too-big' })
    else this.chunks.push(chunk)
  }

  onResponseEnd(): void {
    const { status, date, headersAt } = this
    const body = Buffer.concat(this.chunks).toString('utf8')
    this.settle({ kind: 'answered', status, body, date, headersAt })
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.settle({ kind: 'failed', timedOut: false, why: errorCode(error) || error.name })
  }

  private giveUp(answer: HttpAnswer): void {
    this.settle(answer)
    this.controller?.abort(new Error('given up'))
  }

  private settle(answer: HttpAnswer): void {
    if (this.over) return
    this.over = true
    this.chunks = []
    this.deadline.cancel()
    this.resolve(answer)
  }
}

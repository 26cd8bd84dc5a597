import type { Generation } from '@wazo-websocketd/edge/process/generation'
import type { PrimaryMessage } from '@wazo-websocketd/edge/process/messages'
import type { HandoverPeer } from '@wazo-websocketd/edge/handover/channel'
import type { WorkerProcess } from '@wazo-websocketd/edge/process/worker-process'

/** A worker without a process: the test says and ends what a real one would. */
export class FakeWorker implements WorkerProcess {
  readonly id: number
  readonly pid: number
  readonly peer: HandoverPeer
  readonly sent: PrimaryMessage[] = []
  readonly kills: string[] = []
  running = true
  say: (message: unknown) => void = () => undefined
  private tellExit: (code: number | null, signal: string | null) => void = () => undefined

  constructor(id: number) {
    this.id = id
    this.pid = 1000 + id
    this.peer = { id, send: () => undefined, onMessage: () => undefined, onEnd: () => undefined }
  }

  send(message: PrimaryMessage): void {
    this.sent.push(message)
  }

  kill(signal: 'SIGKILL'): void {
    this.kills.push(signal)
    this.exit(null, signal)
  }

  onMessage(listener: (message: unknown) => void): void {
    this.say = listener
  }

  onExit(listener: (code: number | null, signal: string | null) => void): void {
    this.tellExit = listener
  }

  /** The process ends; as with a real one, only once. */
  exit(code: number | null, signal: string | null): void {
    if (!this.running) return
    this.running = false
    this.tellExit(code, signal)
  }

  /** It has told that it serves. */
  ready(): this {
    this.say({ kind: 'hello' })
    this.say({ kind: 'missing', missing: [] })
    return this
  }
}

export function generation(over: Partial<Generation> = {}): Generation {
  return {
    version: '1.0.0',
    workers: 2,
    drain: { ratePerSecond: 200, timeoutMs: 30_000, delayMs: 0 },
    logLevel: 'info',
    remarks: [],
    restartOnly: {},
    setup: { config: 'old' },
    ...over,
  }
}

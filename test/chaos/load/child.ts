import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** A process of the load, which ends when this process does. */
export class Child<To extends object, From> {
  readonly ended: Promise<void>
  private readonly process: ChildProcess

  /** `file`: next to this one. */
  constructor(file: string, onMessage: (message: From) => void) {
    this.process = fork(fileURLToPath(new URL(file, import.meta.url)), { serialization: 'advanced' })
    this.process.on('message', (message) => onMessage(message as From))
    this.process.on('error', () => undefined)
    this.ended = new Promise((resolve) => this.process.once('exit', () => resolve()))
  }

  get alive(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null
  }

  send(message: To): void {
    if (this.process.connected) this.process.send(message)
  }

  kill(): void {
    this.process.kill('SIGKILL')
  }
}

/** In the process of the load itself: takes what it is told. Ctrl-C is for its parent alone. */
export function listenToParent(onMessage: (message: unknown) => void): void {
  process.on('SIGINT', () => undefined)
  process.once('disconnect', () => process.exit(0))
  process.on('message', onMessage)
}

export function tellParent(message: object): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined) // nobody to tell: `disconnect` follows
}

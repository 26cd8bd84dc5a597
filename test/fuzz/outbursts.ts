import { inspect } from 'node:util'

/** Hears of exceptions that nobody catches and of rejections that nobody handles, which would end a program. */
export class Outbursts {
  private first: unknown = null
  private readonly note = (error: unknown): void => void (this.first ??= error)

  constructor() {
    process.on('uncaughtException', this.note)
    process.on('unhandledRejection', this.note)
  }

  /** Throws the first one, if there was one since the last call. */
  rethrow(): void {
    const { first } = this
    this.first = null
    if (first !== null) throw new Error(`nobody caught: ${inspect(first)}`)
  }

  stop(): void {
    process.off('uncaughtException', this.note)
    process.off('unhandledRejection', this.note)
  }
}

import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const ANSWER_MS_MAX = 120_000

/** A process that answers each question with one message, in order; it ends when this process does. */
export class Peer<Question extends object> {
  private readonly child: ChildProcess
  private readonly ended: Promise<never>

  /** `file`: next to this one. `execArgv` comes on top of that of this process. */
  constructor(file: string, execArgv: readonly string[] = []) {
    this.child = fork(fileURLToPath(new URL(file, import.meta.url)), {
      execArgv: [...process.execArgv, ...execArgv],
    })
    this.ended = once(this.child, 'exit').then(([code]) => {
      throw new Error(`${file} ended with status ${String(code)}`)
    })
    this.ended.catch(() => undefined) // whoever asks it something is told
  }

  /** Asks; one question at a time. Rejects when the process ends, or does not answer. */
  async ask<Answer>(question: Question): Promise<Answer> {
    const late = new AbortController()
    const timer = setTimeout(() => late.abort(), ANSWER_MS_MAX)
    try {
      const answer = once(this.child, 'message', { signal: late.signal })
      this.child.send(question)
      return ((await Promise.race([answer, this.ended])) as [Answer])[0]
    } finally {
      clearTimeout(timer)
    }
  }

  /** Lets it end in order; resolves when it has. */
  async stop(): Promise<void> {
    this.child.disconnect()
    await this.ended.catch(() => undefined)
  }
}

/** In such a process: answers the questions of the parent. An error ends the process. */
export function answerParent(answer: (question: unknown) => Promise<unknown>): void {
  process.on('SIGINT', () => undefined) // Ctrl-C is for the parent, whose end ends this one
  process.once('disconnect', () => process.exit(0))
  process.on('message', (question) => {
    void answer(question).then((answered) => process.send?.(answered ?? null))
  })
}

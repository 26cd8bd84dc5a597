/** Has the code on disk, which may be newer than this primary, read the configuration. */
import { fork } from 'node:child_process'
import { childArguments } from '@wazo-websocketd/shared/runtime/early-signals'
import { parseGeneration, type Generation } from './generation.js'

/** What the loader says, once. */
export type LoaderMessage =
  | { readonly kind: 'generation'; readonly generation: Generation }
  /** The configuration cannot be used, because of what this line says. */
  | { readonly kind: 'refused'; readonly line: string }

export interface LoadOptions {
  /** The path of the loader's module. */
  readonly module: string
  /** The program's arguments, which name the configuration file. */
  readonly args: readonly string[]
  /** Milliseconds after which a loader that says nothing is killed. */
  readonly msMax: number
  /** Ends it at once. */
  readonly signal: AbortSignal
}

/**
 * Runs the loader in a process of its own. Resolves when that process has ended, so none is ever left.
 * @throws Error in one line that says why there is no configuration.
 */
export function loadGeneration({ module, args, msMax, signal }: LoadOptions): Promise<Generation> {
  return new Promise((resolve, reject) => {
    const execArgv = [...process.execArgv, ...childArguments]
    const child = fork(module, args, { execArgv, timeout: msMax, killSignal: 'SIGKILL', signal })
    let answer: unknown = null
    let broken: Error | null = null
    child.on('message', (message) => (answer ??= message))
    // Of a child that was started `exit` follows all the same.
    child.on('error', (error) => {
      broken = error
      if (child.pid === undefined) reject(error)
    })
    child.on('exit', (status, killedBy) => {
      // The channel may still hold what the child said last.
      if (child.connected) child.once('disconnect', () => conclude(status, killedBy))
      else conclude(status, killedBy)
    })
    const conclude = (status: number | null, killedBy: string | null): void => {
      if (broken !== null) reject(broken)
      else if (answer === null) reject(new Error(describeSilence(status, killedBy, msMax)))
      else settle(answer, resolve, reject)
    }
  })
}

function settle(
  answer: unknown,
  resolve: (generation: Generation) => void,
  reject: (error: Error) => void,
): void {
  const { kind, generation, line } = answer as Record<string, unknown>
  const understood = kind === 'generation' ? parseGeneration(generation) : null
  if (understood !== null) resolve(understood)
  else if (kind === 'refused' && typeof line === 'string') reject(new Error(line))
  else reject(new Error('the code on disk needs a newer primary: restart the program'))
}

function describeSilence(status: number | null, killedBy: string | null, msMax: number): string {
  return killedBy === null
    ? `the code on disk cannot read the configuration: it ended with status ${status ?? 'unknown'}`
    : `the code on disk has not read the configuration within ${msMax / 1000} s, or was killed (${killedBy})`
}

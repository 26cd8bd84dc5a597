import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('./ping-probe.mjs', import.meta.url))

export interface Pings {
  /** The longest one, in milliseconds. */
  readonly longest: number
  readonly pongs: number
}

/** A client in another process that pings all the time. */
export interface Probe {
  /** What its pings took since the last call. Throws when its session has ended. */
  read(): Promise<Pings>
  stop(): void
}

/** Starts a probe; resolves when its session has started. */
export async function startProbe(url: string, token: string): Promise<Probe> {
  const child = fork(PROGRAM, [url, token], { execArgv: [] })
  const ended = once(child, 'exit').then(() => Promise.reject(new Error('the ping probe has ended')))
  ended.catch(() => {}) // whoever asks it something is told
  const answer = async () => ((await Promise.race([once(child, 'message'), ended])) as unknown[])[0]
  await answer()
  return {
    async read() {
      const answered = answer()
      child.send('read')
      return (await answered) as Pings
    },
    stop: () => child.disconnect(),
  }
}

/** Whether a WebSocket port answers, without opening a session. */
import { get as getPlain } from 'node:http'
import { get as getTls } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Port {
  /** The address that the server listens on. */
  readonly host: string
  readonly port: number
  readonly tls: boolean
}

const EVERY_MS = 500
/** For one try. */
const TRY_MS_MAX = 2_000
/** A server that listens on every address is asked at the loopback. */
const LOOPBACK: ReadonlyMap<string, string> = new Map([
  ['0.0.0.0', '127.0.0.1'],
  ['::', '::1'],
])

/** Resolves with true as soon as the port answers, with false when it has not within `msMax`. */
export async function untilAnswer(port: Port, msMax: number): Promise<boolean> {
  const giveUpAt = performance.now() + msMax
  for (;;) {
    if (await portAnswers(port)) return true
    if (performance.now() + EVERY_MS > giveUpAt) return false
    await sleep(EVERY_MS)
  }
}

/**
 * Whether any HTTP answer comes: the server tells a plain GET that an upgrade is required (426), and counts no session.
 * The certificate is not looked at, since it names the host to clients and not to this machine.
 */
function portAnswers({ host, port, tls }: Port): Promise<boolean> {
  const signal = AbortSignal.timeout(TRY_MS_MAX)
  const options = { host: LOOPBACK.get(host) ?? host, port, path: '/', agent: false, signal }
  return new Promise((resolve) => {
    const request = tls ? getTls({ ...options, rejectUnauthorized: false }) : getPlain(options)
    request.once('response', (response) => {
      response.destroy()
      resolve(true)
    })
    request.on('error', () => resolve(false))
  })
}

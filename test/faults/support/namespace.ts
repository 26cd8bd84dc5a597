import { execFileSync } from 'node:child_process'
import { temporaryDirectory, startGuarded } from '../../support/guard.mjs'
import { freePort } from '../../support/port.mjs'
import { waitFor } from '../../support/wait.mjs'
import type { Server } from '../../support/cluster.js'

const NAME = `wazo-test-${process.pid}`

/** Why this machine lets nobody make network namespaces, or null when it does. */
export function namespacesForbidden(): string | null {
  try {
    ip('netns', 'add', NAME)
    ip('netns', 'del', NAME)
    return null
  } catch (error) {
    return error instanceof Error ? (error.message.split('\n').at(-2) ?? error.message) : String(error)
  }
}

/** A Redis on a host of its own, so to speak: a network namespace that two cables lead to. */
export class DistantRedis {
  /** Over the cable that can be cut. */
  readonly url: string
  /** Over the other one: the server as the rest of a cluster sees it. */
  readonly server: Server

  private constructor(url: string, server: Server) {
    this.url = url
    this.server = server
  }

  static async start(): Promise<DistantRedis> {
    ip('netns', 'add', NAME)
    const net = 1 + (process.pid % 250)
    const addresses = ['a', 'b'].map((cable, i) => join(cable, `10.203.${net}.${4 * i}`))
    const port = await freePort()
    const dir = await temporaryDirectory('distant-redis')
    const command = ['redis-server', '--port', `${port}`, '--bind', ...addresses, '--protected-mode', 'no']
    const redis = startGuarded('ip', ['netns', 'exec', NAME, ...command, '--dir', dir, '--save', ''])
    await waitFor(() => redis.output().includes('Ready to accept connections'), { what: 'the distant Redis' })
    const [url, other] = addresses.map((address) => `redis://${address}:${port}`) as [string, string]
    return new DistantRedis(url, {
      url: other,
      port,
      pid: redis.pid,
      pause: () => redis.kill('SIGSTOP'),
      resume: () => redis.kill('SIGCONT'),
      kill: async () => redis.terminate('SIGKILL'),
      async stop() {
        await redis.terminate()
        ip('netns', 'del', NAME) // the cables go with it
      },
    })
  }

  /** The host is gone, as far as the first cable goes: nobody says so to anybody. */
  vanish(): void {
    ip('-n', NAME, 'link', 'set', far('a'), 'down')
  }

  comeBack(): void {
    ip('-n', NAME, 'link', 'set', far('a'), 'up')
  }
}

/** Lays a cable into the namespace; gives the address at its far end, the second after `base`. */
function join(cable: string, base: string): string {
  const [first, second] = [1, 2].map((n) => base.replace(/\d+$/, (last) => String(Number(last) + n)))
  const near = far(cable).replace(/f$/, 'n')
  ip('link', 'add', near, 'type', 'veth', 'peer', 'name', far(cable), 'netns', NAME)
  ip('addr', 'add', `${first}/30`, 'dev', near)
  ip('link', 'set', near, 'up')
  ip('-n', NAME, 'addr', 'add', `${second}/30`, 'dev', far(cable))
  ip('-n', NAME, 'link', 'set', far(cable), 'up')
  return second!
}

function far(cable: string): string {
  return `wz${process.pid}${cable}f`
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'pipe', 'pipe'] })
}

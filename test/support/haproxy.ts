/** A real HAProxy with the shipped fragment and a self-signed certificate. */
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startGuarded, temporaryDirectory } from './guard.mjs'
import { freePort } from './port.mjs'
import { waitFor } from './wait.mjs'
import { selfSigned, shipped, type Proxy } from './proxy.js'

const run = promisify(execFile)
const BINARY = '/usr/sbin/haproxy'

/** Ports of an edge host. */
export interface Ports {
  readonly port: number
  readonly adminPort: number
}

/** A directory with a complete configuration; the shipped one is taken as it is but for addresses, ports and certificate. */
export async function writeHaproxy(port: number, edges: readonly [Ports, Ports]): Promise<string> {
  const directory = await temporaryDirectory('haproxy')
  const { certificate, key } = await selfSigned(directory)
  const both = join(directory, 'both.pem')
  await writeFile(both, (await readFile(certificate, 'utf8')) + (await readFile(key, 'utf8')))
  let fragment = await shipped('haproxy/haproxy.cfg')
  const replace = (what: string, by: string): void => {
    if (!fragment.includes(what)) throw new Error(`deploy/haproxy/haproxy.cfg has no ${what} any more`)
    fragment = fragment.replace(what, by)
  }
  replace('bind :443', `bind 127.0.0.1:${port}`)
  replace('/etc/haproxy/certs/wazo.pem', both)
  replace('192.0.2.11:9502', `127.0.0.1:${edges[0].port} port ${edges[0].adminPort}`)
  replace('192.0.2.12:9502', `127.0.0.1:${edges[1].port} port ${edges[1].adminPort}`)
  await writeFile(join(directory, 'haproxy.cfg'), DEBIAN + fragment)
  return directory
}

/** What Debian's file has that the fragment has to live with, such as a log that shows tokens. */
const DEBIAN = `
global
    log stdout format raw local0
defaults
    log global
    mode http
    option httplog
    option dontlognull
    timeout connect 5000
    timeout client 50000
    timeout server 50000

`

/** What `haproxy -c` says of the configuration; rejects when it does not pass. */
export async function checkHaproxy(directory: string): Promise<string> {
  const { stdout, stderr } = await run(BINARY, ['-c', '-f', join(directory, 'haproxy.cfg')])
  return stdout + stderr
}

/** Starts HAProxy in front of the edges and waits until it listens. Its first checks may be still to come. */
export async function startHaproxy(edges: readonly [Ports, Ports]): Promise<Proxy> {
  const port = await freePort()
  const directory = await writeHaproxy(port, edges)
  const server = startGuarded(BINARY, ['-db', '-f', join(directory, 'haproxy.cfg')])
  await waitFor(
    async () => {
      if (server.ended()) throw new Error(`haproxy did not start: ${server.output()}`)
      return accepts(port)
    },
    { what: 'haproxy' },
  )
  return {
    port,
    certificate: await readFile(join(directory, 'certificate.pem'), 'utf8'),
    logs: () => Promise.resolve(server.output()),
    stop: () => server.terminate('SIGTERM'),
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const done = (does: boolean): void => {
      socket.destroy()
      resolve(does)
    }
    socket.once('connect', () => done(true)).once('error', () => done(false))
  })
}

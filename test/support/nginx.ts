/** A real nginx with the shipped configuration files and a self-signed certificate. */
import { execFile } from 'node:child_process'
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startGuarded, temporaryDirectory } from './guard.mjs'
import { freePort, probe } from './port.mjs'
import { waitFor } from './wait.mjs'
import { selfSigned, shipped, type Proxy } from './proxy.js'

const run = promisify(execFile)
const BINARY = '/usr/sbin/nginx'
/** Sessions at a time, unless more are asked for. */
const SESSIONS = 200
/** What else nginx counts as connections. */
const OTHER_CONNECTIONS = 112

export type Nginx = Proxy

/** `single`: one edge; `upstream`: the variant for several edge hosts. */
export type Variant = 'single' | 'upstream'

/** A directory with a complete configuration; the shipped files are taken as they are but for addresses and log directory. */
export async function writeNginx(
  variant: Variant,
  port: number,
  edgePorts: readonly number[],
  sessions = SESSIONS,
): Promise<string> {
  const directory = await temporaryDirectory('nginx')
  const logs = join(directory, 'logs')
  await mkdir(logs)
  const adapted = async (file: string): Promise<string> => {
    const text = await shipped(`nginx/${file}`)
    return text
      .replaceAll('127.0.0.1:9502', `127.0.0.1:${edgePorts[0]!}`)
      .replaceAll('192.0.2.11:9502', `127.0.0.1:${edgePorts[0]!}`)
      .replaceAll('192.0.2.12:9502', `127.0.0.1:${edgePorts[1] ?? edgePorts[0]!}`)
      .replaceAll('/var/log/nginx', logs)
  }
  const http = [await adapted('conf.d/wazo-websocketd.conf')]
  if (variant === 'upstream') http.push(await adapted('conf.d/wazo-websocketd-upstream.conf'))
  const location = await adapted(`locations/wazo-websocketd${variant === 'upstream' ? '-upstream' : ''}`)
  await selfSigned(directory)
  const connections = 2 * sessions + OTHER_CONNECTIONS
  const whole = wholeConfiguration(directory, port, connections, http.join('\n'), location)
  await writeFile(join(directory, 'nginx.conf'), whole)
  return directory
}

function wholeConfiguration(
  directory: string,
  port: number,
  connections: number,
  http: string,
  location: string,
): string {
  return `
${process.getuid?.() === 0 ? 'user root;' : ''}
daemon off;
worker_processes 1;
pid ${directory}/nginx.pid;
error_log ${directory}/logs/error.log;
events { worker_connections ${connections}; }
http {
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${directory}/${kind};`).join('\n  ')}
  access_log ${directory}/logs/access.log;
${http}
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_certificate ${directory}/certificate.pem;
    ssl_certificate_key ${directory}/key.pem;
${location}
  }
}
`
}

/** What `nginx -t` says of the configuration; rejects when it does not pass. */
export async function checkNginx(directory: string): Promise<string> {
  const { stderr } = await run(BINARY, ['-t', '-c', join(directory, 'nginx.conf'), '-p', directory])
  return stderr
}

/** Starts nginx in front of the edges and waits until it listens. */
export async function startNginx(
  variant: Variant,
  edgePorts: readonly number[],
  sessions = SESSIONS,
): Promise<Nginx> {
  const port = await freePort()
  return start(port, await writeNginx(variant, port, edgePorts, sessions))
}

/** Starts nginx with a location block of somebody else's, and none of the shipped files. */
export async function startNginxWith(location: string): Promise<Nginx> {
  const [port, directory] = [await freePort(), await temporaryDirectory('nginx')]
  await mkdir(join(directory, 'logs'))
  await selfSigned(directory)
  const whole = wholeConfiguration(directory, port, OTHER_CONNECTIONS, '', location)
  await writeFile(join(directory, 'nginx.conf'), whole)
  return start(port, directory)
}

async function start(port: number, directory: string): Promise<Nginx> {
  const server = startGuarded(BINARY, ['-c', join(directory, 'nginx.conf'), '-p', directory])
  await waitFor(
    async () => {
      if (server.ended()) throw new Error(`nginx did not start: ${server.output()}`)
      return (await probe(port, 'GET / HTTP/1.0\r\n\r\n')) !== null
    },
    { what: 'nginx' },
  )
  return {
    port,
    certificate: await readFile(join(directory, 'certificate.pem'), 'utf8'),
    async logs() {
      const files = await readdir(join(directory, 'logs'))
      const texts = await Promise.all(files.map((file) => readFile(join(directory, 'logs', file), 'utf8')))
      return texts.join('') + server.output()
    },
    stop: () => server.terminate('SIGTERM'),
  }
}

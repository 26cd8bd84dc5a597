import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'

/** Where the page lies: beside `src` and `dist`, so that it is the same from both. */
const DIRECTORY = new URL('../../console/', import.meta.url)

const SECURITY_HEADERS = {
  // `ws: wss:` because the page's host field may name another server than its own.
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' ws: wss:; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), microphone=(), geolocation=()',
  'Cache-Control': 'no-cache',
}

const TYPES: Readonly<Record<string, string>> = {
  css: 'text/css; charset=utf-8',
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
}

const SCRIPTS = [
  'close-codes',
  'code-table',
  'connection-log',
  'console',
  'counters',
  'element',
  'event-facts',
  'event-list',
  'event-panel',
  'event-row',
  'event-store',
  'foreign-host',
  'json-text',
  'rate',
  'rate-graph',
  'row-geometry',
  'row-window',
  'sampler',
  'session',
  'settings',
  'status-line',
  'token-form',
  'wazo-events',
].map((name) => `${name}.js`)

/** Everything that is served: path -> file. Nothing else of the disk can be reached. */
const FILES: ReadonlyMap<string, string> = new Map([
  ['/console', 'index.html'],
  ...['console.css', 'events.css', 'icon.svg', ...SCRIPTS].map((file) => [`/console/${file}`, file] as const),
])

const cache = new Map<string, Buffer>()

/**
 * Answers a GET or HEAD of the live console: `/console` and its files. Returns false, with the response
 * untouched, for every other request. Files are read once, at their first use.
 */
export function consoleHandler(request: IncomingMessage, response: ServerResponse): boolean {
  if (request.method !== 'GET' && request.method !== 'HEAD') return false
  const path = (request.url ?? '/').split('?', 1)[0] ?? '/'
  // Relative, so that it also holds behind a proxy that strips a prefix.
  if (path === '/console/') return respond(response, 308, { Location: '../console' }, Buffer.alloc(0), false)
  const file = FILES.get(path)
  if (file === undefined) return false
  const content = readAsset(file)
  if (content === null) {
    const text = Buffer.from('The console page is missing from this installation.\n')
    return respond(
      response,
      500,
      { 'Content-Type': 'text/plain; charset=utf-8' },
      text,
      request.method === 'HEAD',
    )
  }
  const type = TYPES[file.slice(file.lastIndexOf('.') + 1)] ?? 'application/octet-stream'
  return respond(response, 200, { 'Content-Type': type }, content, request.method === 'HEAD')
}

function respond(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>>,
  body: Buffer,
  headOnly: boolean,
): true {
  response.writeHead(status, { ...SECURITY_HEADERS, ...headers, 'Content-Length': body.length })
  response.end(headOnly ? undefined : body)
  return true
}

function readAsset(file: string): Buffer | null {
  const known = cache.get(file)
  if (known !== undefined) return known
  try {
    const content = readFileSync(new URL(file, DIRECTORY))
    cache.set(file, content)
    return content
  } catch {
    return null
  }
}

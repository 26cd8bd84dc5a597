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

const SCRIPT = 'text/javascript; charset=utf-8'

/** Everything that is served: path -> file, type. Nothing else of the disk can be reached. */
const FILES: ReadonlyMap<string, readonly [file: string, type: string]> = new Map([
  ['/console', ['index.html', 'text/html; charset=utf-8']],
  ['/console/console.css', ['console.css', 'text/css; charset=utf-8']],
  ['/console/icon.svg', ['icon.svg', 'image/svg+xml']],
  ['/console/console.js', ['console.js', SCRIPT]],
  ['/console/connection.js', ['connection.js', SCRIPT]],
  ['/console/close-codes.js', ['close-codes.js', SCRIPT]],
  ['/console/counters.js', ['counters.js', SCRIPT]],
  ['/console/event-list.js', ['event-list.js', SCRIPT]],
  ['/console/json-text.js', ['json-text.js', SCRIPT]],
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
  const entry = FILES.get(path)
  if (entry === undefined) return false
  const [file, type] = entry
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

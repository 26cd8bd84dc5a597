/**
 * A stand-in for wazo-auth (PROTOCOL.md, C6) that can be told to fail.
 *
 * In this process: `startAuth`. As a program: `node test/support/auth.mjs --port 9497`, and then over HTTP
 * `POST /_control/{mint,delete,set,reset}` and `GET /_control/{requests,info}`, or `connectAuth(url)`.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { pathToFileURL } from 'node:url'
import { allows, createToken, describeToken } from './auth-tokens.mjs'

export { DEFAULT_TENANT } from './auth-tokens.mjs'
export const MASTER_TENANT = 'ffffffff-ffff-4fff-8fff-ffffffffffff'
export const SERVICE_ID = 'websocketd-service'
export const SERVICE_KEY = 'websocketd-key'

const CONTROL = '/_control/'
const PATHS_KEPT_MAX = 1000
const SLOW_MS = 30_000
const BODY_CHARACTERS_MAX = 1 << 20

/**
 * @typedef {'ok' | 'down' | 'slow' | '500' | 'garbage' | 'no-metadata' | 'no-tenant'} Mode
 * @typedef {object} Settings
 * @property {Mode} [mode]
 * @property {number} [delayMs] before every answer; mode `slow` waits 30 s unless it is set
 * @property {number} [clockSkewMs] how far wazo-auth's clock is ahead of this machine's
 * @property {'all' | 'lookups' | 'tokens'} [only] what the mode applies to: GET and HEAD, or POST
 *
 * @typedef {object} Requests
 * @property {number} lookups GET and HEAD of a token
 * @property {number} tokens POST
 * @property {Record<string, number>} byToken look-ups of each token id, decoded
 * @property {number} inFlight
 * @property {number} inFlightMax
 * @property {string[]} paths the last thousand, as they came
 *
 * @typedef {import('./auth-tokens.mjs').Mint} Mint
 * @typedef {import('./auth-tokens.mjs').TokenBody} TokenBody
 *
 * @typedef {object} Auth
 * @property {string} url
 * @property {string} host
 * @property {number} port
 * @property {string} masterTenant
 * @property {string} serviceId
 * @property {string} serviceKey
 * @property {(mint?: Mint) => TokenBody} mint
 * @property {(name: string, password: string, mint: Mint) => void} addUser one who may log in for such tokens
 * @property {(token: string, options?: { event?: boolean }) => TokenBody | null} delete null: unknown; with
 *   `event` the option `onDeleted` is called (publish.ts has what publishes auth_session_deleted)
 * @property {(settings: Settings) => void} set what is left out keeps its value
 * @property {() => void} reset settings and counters, not the tokens
 * @property {() => Requests} requests
 * @property {() => Promise<void>} stop
 */

/**
 * @param {object} [options]
 * @param {number} [options.port]
 * @param {string} [options.masterTenant]
 * @param {{ key: string | Buffer, cert: string | Buffer }} [options.tls]
 * @param {(details: TokenBody) => void} [options.onDeleted]
 * @returns {Promise<Auth>}
 */
export async function startAuth({ port = 0, masterTenant = MASTER_TENANT, tls, onDeleted } = {}) {
  const state = createState(masterTenant)
  /** @type {import('node:http').RequestListener} */
  const listener = (request, response) => void handle(state, api, request, response)
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener)
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const bound = /** @type {import('node:net').AddressInfo} */ (server.address()).port
  /** @type {Auth} */
  const api = {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${bound}`,
    host: '127.0.0.1',
    port: bound,
    masterTenant,
    serviceId: SERVICE_ID,
    serviceKey: SERVICE_KEY,
    mint(mint = {}) {
      const token = createToken(mint)
      state.tokens.set(token.token, token)
      return describeToken(token, state.settings.clockSkewMs)
    },
    addUser: (name, password, mint) => void state.users.set(basic(name, password), mint),
    delete(id, { event = false } = {}) {
      const token = state.tokens.get(id)
      if (token === undefined) return null
      state.tokens.delete(id)
      const details = describeToken(token, state.settings.clockSkewMs)
      if (event) onDeleted?.(details)
      return details
    },
    set: (settings) => void Object.assign(state.settings, settings),
    reset: () =>
      void Object.assign(state, {
        settings: initialSettings(),
        requests: noRequests(state.requests.inFlight),
      }),
    requests: () => ({
      ...state.requests,
      byToken: { ...state.requests.byToken },
      paths: [...state.requests.paths],
    }),
    async stop() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
  return api
}

/**
 * The same stand-in, running as another process.
 * @param {string} url
 */
export async function connectAuth(url) {
  /** @param {string} name @param {unknown} [body] */
  const call = async (name, body) => {
    const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }
    const response = await fetch(new URL(CONTROL + name, url), init)
    if (!response.ok)
      throw new Error(`${CONTROL}${name} answered ${response.status}: ${await response.text()}`)
    return response.json()
  }
  const { hostname, port } = new URL(url)
  const info = /** @type {Pick<Auth, 'masterTenant' | 'serviceId' | 'serviceKey'>} */ (await call('info'))
  return {
    url,
    host: hostname,
    port: Number(port),
    ...info,
    /** @param {Mint} [mint] @returns {Promise<TokenBody>} */
    mint: (mint = {}) => call('mint', mint),
    /** @param {string} token @param {{ event?: boolean }} [options] @returns {Promise<TokenBody | null>} */
    delete: (token, options = {}) => call('delete', { token, ...options }),
    /** @param {Settings} settings @returns {Promise<void>} */
    set: (settings) => call('set', settings),
    /** @returns {Promise<void>} */
    reset: () => call('reset', {}),
    /** @returns {Promise<Requests>} */
    requests: () => call('requests'),
  }
}

/** @returns {Required<Omit<Settings, 'delayMs'>> & { delayMs: number | undefined }} */
function initialSettings() {
  return { mode: 'ok', delayMs: undefined, clockSkewMs: 0, only: 'all' }
}

/** @returns {Requests} */
function noRequests(inFlight = 0) {
  return { lookups: 0, tokens: 0, byToken: {}, inFlight, inFlightMax: inFlight, paths: [] }
}

/** @param {string} name @param {string} password */
function basic(name, password) {
  return `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`
}

/** @param {string} masterTenant */
function createState(masterTenant) {
  return {
    masterTenant,
    settings: initialSettings(),
    requests: noRequests(),
    /** @type {Map<string, import('./auth-tokens.mjs').Token>} */
    tokens: new Map(),
    /** What their tokens are like, by the header that their name and password make. @type {Map<string, Mint>} */
    users: new Map([
      [
        basic(SERVICE_ID, SERVICE_KEY),
        /** @type {Mint} */ ({ tenant: masterTenant, purpose: 'internal', acl: ['auth.#'] }),
      ],
    ]),
  }
}

/**
 * @param {ReturnType<typeof createState>} state
 * @param {Auth} api
 * @param {import('node:http').IncomingMessage} request
 * @param {import('node:http').ServerResponse} response
 */
async function handle(state, api, request, response) {
  const path = request.url ?? '/'
  response.setHeader('Date', new Date(Date.now() + state.settings.clockSkewMs).toUTCString())
  try {
    if (path.startsWith(CONTROL)) return await control(api, path.slice(CONTROL.length), request, response)
    await answer(state, request, response)
  } catch (error) {
    send(response, 400, {
      reason: [error instanceof Error ? error.message : 'bad request'],
      status_code: 400,
    })
  }
}

/**
 * @param {ReturnType<typeof createState>} state
 * @param {import('node:http').IncomingMessage} request
 * @param {import('node:http').ServerResponse} response
 */
async function answer(state, request, response) {
  const raw = request.url ?? '/'
  const { pathname, searchParams } = new URL(raw, 'http://stand-in')
  const match = /\/0\.1\/token(?:\/([^/]*))?$/.exec(pathname)
  if (match === null) return send(response, 404, { message: 'The requested URL was not found' })
  count(state.requests, request, response, match[1])
  if (await fails(state, request, response)) return
  if (request.method === 'POST' && match[1] === undefined) return await logIn(state, request, response)
  if ((request.method !== 'GET' && request.method !== 'HEAD') || match[1] === undefined)
    return send(response, 405, { message: 'The method is not allowed for the requested URL' })
  lookUp(state, decodeURIComponent(match[1]), searchParams.get('scope'), request, response)
}

/**
 * @param {Requests} requests
 * @param {import('node:http').IncomingMessage} request
 * @param {import('node:http').ServerResponse} response
 * @param {string | undefined} id
 */
function count(requests, request, response, id) {
  if (request.method === 'POST') requests.tokens++
  else requests.lookups++
  if (id !== undefined) {
    const decoded = decodeURIComponent(id)
    requests.byToken[decoded] = (requests.byToken[decoded] ?? 0) + 1
  }
  requests.paths.push(request.url ?? '')
  if (requests.paths.length > PATHS_KEPT_MAX) requests.paths.shift()
  requests.inFlight++
  requests.inFlightMax = Math.max(requests.inFlightMax, requests.inFlight)
  response.once('close', () => void requests.inFlight--)
}

/**
 * Fails as the mode says. True when the request has been answered, or never will be.
 * @param {ReturnType<typeof createState>} state
 * @param {import('node:http').IncomingMessage} request
 * @param {import('node:http').ServerResponse} response
 */
async function fails({ settings }, request, response) {
  const kind = request.method === 'POST' ? 'tokens' : 'lookups'
  const mode = settings.only === 'all' || settings.only === kind ? settings.mode : 'ok'
  if (mode === 'down') {
    request.socket.destroy()
    return true
  }
  const delayMs = settings.delayMs ?? (mode === 'slow' ? SLOW_MS : 0)
  if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs).unref())
  if (mode === '500') send(response, 500, { reason: ['Unexpected error'], status_code: 500 })
  if (mode === 'garbage')
    response.writeHead(200, { 'Content-Type': 'application/json' }).end('{"data": {"token": "trunc')
  return mode === '500' || mode === 'garbage' || response.destroyed
}

/**
 * @param {ReturnType<typeof createState>} state
 * @param {import('node:http').IncomingMessage} request
 * @param {import('node:http').ServerResponse} response
 */
async function logIn(state, request, response) {
  const mint = state.users.get(request.headers.authorization ?? '')
  if (mint === undefined) return send(response, 401, { reason: ['Authentication Failed'], status_code: 401 })
  const { expiration } = /** @type {{ expiration?: unknown }} */ (await readJson(request))
  const token = createToken({
    ...mint,
    ...(typeof expiration === 'number' ? { expiresInMs: expiration * 1000 } : {}),
  })
  state.tokens.set(token.token, token)
  sendToken(state, token, response)
}

/**
 * @param {ReturnType<typeof createState>} state
 * @param {string} id
 * @param {string | null} scope
 * @param {import('node:http').IncomingMessage} request
 * @param {import('node:http').ServerResponse} response
 */
function lookUp(state, id, scope, request, response) {
  const token = state.tokens.get(id)
  if (token === undefined || token.expiresAt <= Date.now())
    return send(response, 404, { reason: ['No such token'], status_code: 404 })
  if (scope !== null && scope !== '' && !allows(token, scope))
    return send(response, 403, { reason: ['Forbidden'], status_code: 403 })
  if (request.method === 'HEAD') return response.writeHead(204).end()
  return sendToken(state, token, response)
}

/**
 * @param {ReturnType<typeof createState>} state
 * @param {import('./auth-tokens.mjs').Token} token
 * @param {import('node:http').ServerResponse} response
 */
function sendToken({ settings }, token, response) {
  const { metadata, ...rest } = describeToken(token, settings.clockSkewMs)
  /** @type {Partial<Record<Mode, object>>} */
  const odd = {
    'no-metadata': rest,
    'no-tenant': { ...rest, metadata: { ...metadata, tenant_uuid: undefined } },
  }
  send(response, 200, { data: odd[settings.mode] ?? { ...rest, metadata } })
}

/**
 * @param {Auth} api
 * @param {string} name
 * @param {import('node:http').IncomingMessage} request
 * @param {import('node:http').ServerResponse} response
 */
async function control(api, name, request, response) {
  const { masterTenant, serviceId, serviceKey } = api
  if (request.method === 'GET' && name === 'requests') return send(response, 200, api.requests())
  if (request.method === 'GET' && name === 'info')
    return send(response, 200, { masterTenant, serviceId, serviceKey })
  if (request.method !== 'POST')
    return send(response, 405, { message: 'GET requests, info; POST mint, delete, set, reset' })
  const body = await readJson(request)
  if (name === 'mint') return send(response, 200, api.mint(body))
  if (name === 'set') return send(response, 200, api.set(body) ?? {})
  if (name === 'reset') return send(response, 200, api.reset() ?? {})
  if (name !== 'delete') return send(response, 404, { message: `no control named ${name}` })
  const { token, event } = /** @type {{ token?: string, event?: boolean }} */ (body)
  return send(response, 200, api.delete(token ?? '', { event: event === true }))
}

/** @param {import('node:http').IncomingMessage} request @returns {Promise<object>} */
async function readJson(request) {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk
    if (text.length > BODY_CHARACTERS_MAX) throw new Error('body too long')
  }
  const value = text === '' ? {} : JSON.parse(text)
  if (typeof value !== 'object' || value === null) throw new Error('the body must be a JSON object')
  return value
}

/**
 * @param {import('node:http').ServerResponse} response
 * @param {number} status
 * @param {unknown} body
 */
function send(response, status, body) {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
}

// Without an await at the top: it may also be loaded by require().
if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) void main()

async function main() {
  const at = process.argv.indexOf('--port')
  const auth = await startAuth({ port: at === -1 ? 0 : Number(process.argv[at + 1]) })
  console.log(
    JSON.stringify({
      url: auth.url,
      masterTenant: auth.masterTenant,
      serviceId: SERVICE_ID,
      serviceKey: SERVICE_KEY,
    }),
  )
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void auth.stop())
}

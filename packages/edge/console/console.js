/* global document, location, history, sessionStorage, matchMedia, window */
/** The page's wiring: form, state, list and counters around one connection. */
import { CLOSE_CODES, meaningOf } from './close-codes.js'
import { Connection, isForeign, parseHost } from './connection.js'
import { Counters } from './counters.js'
import { EventList } from './event-list.js'

const REMEMBERED = 'wazo-websocketd-console'
const NARROW = '(max-width: 48rem)'

const byId = (id) => document.getElementById(id)
const fields = { host: byId('host'), token: byId('token'), names: byId('names'), version: byId('version') }
const list = new EventList(byId('events'), byId('list-note'))
const counters = new Counters({
  events: byId('count-events'),
  rate: byId('count-rate'),
  names: byId('count-names'),
  bytes: byId('count-bytes'),
  ping: byId('count-ping'),
  reconnects: byId('count-reconnects'),
})
let connection = null
let countdown = null
/** Other servers that the user has agreed to, until the page is loaded again. */
const agreedTo = new Set()

function showState(state, text) {
  clearInterval(countdown)
  byId('state').dataset.state = state
  byId('state-text').textContent = text
  byId('countdown').textContent = ''
}

function showNotice(text) {
  byId('notice').textContent = text
  byId('notice').hidden = text === ''
}

function markCode(code) {
  for (const row of byId('code-rows').children)
    row.classList.toggle('current', row.dataset.code === String(code))
}

const observer = {
  state(state, text) {
    showState(state, text)
    if (state !== 'live') return
    showNotice('')
    markCode(null)
    if (matchMedia(NARROW).matches) byId('settings').open = false
  },
  event(body, parsed) {
    counters.event(body, parsed?.name)
    list.add(body, parsed)
  },
  gap: (why) => showNotice(`Events may be missing here: the server could not go on where it was (${why}).`),
  roundTrip: (ms) => counters.roundTrip(ms),
  closed(code, reason, retryInMs) {
    const why = `${code}${reason === '' ? '' : ` “${reason}”`}: ${meaningOf(code)}`
    markCode(code)
    showNotice(why)
    if (retryInMs === null) {
      showState('refused', `Closed (${code})`)
      byId('settings').open = true
      setButtons(false)
      connection = null
      return
    }
    counters.reconnect()
    waitFor(code, Date.now() + retryInMs)
  },
}

/** Counts down to the next try, outside the live region: nobody wants to hear every second. */
function waitFor(code, until) {
  const say = () => {
    byId('countdown').textContent = `in ${Math.max(1, Math.ceil((until - Date.now()) / 1000))} s`
  }
  showState('waiting', `Closed (${code}), trying again`)
  say()
  countdown = setInterval(say, 1000)
}

function setButtons(connected) {
  byId('connect').textContent = connected ? 'Connect again' : 'Connect'
  byId('disconnect').disabled = !connected
}

function namesOf(text) {
  const names = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
  return names.length === 0 ? ['*'] : [...new Set(names)]
}

function connect() {
  disconnect()
  showNotice('')
  const settings = {
    host: fields.host.value.trim(),
    token: fields.token.value.trim(),
    names: namesOf(fields.names.value),
    version: Number(fields.version.value),
  }
  try {
    const { host } = parseHost(settings.host)
    if (isForeign(settings.host) && !agreedTo.has(host)) return askAbout(host)
    remember(settings)
    connection = new Connection(settings, observer)
    connection.open()
    setButtons(true)
  } catch {
    connection = null
    showState('refused', 'Not connected')
    showNotice(`“${settings.host}” is not a host or ws:// address that this page may connect to.`)
  }
}

/** A link may name any server, and the token that is typed afterwards would go there: nothing connects before the answer. */
function askAbout(host) {
  byId('foreign-host').textContent = host
  byId('foreign').showModal()
}

function disconnect() {
  connection?.close()
  connection = null
  showState('closed', 'Not connected')
  setButtons(false)
}

/** For a reload of this tab only: the token is in no history, no bookmark and no other tab. */
function remember(settings) {
  try {
    sessionStorage.setItem(REMEMBERED, JSON.stringify(settings))
  } catch {
    // Storage may be switched off; then a reload asks for the token again.
  }
}

function remembered() {
  try {
    return JSON.parse(sessionStorage.getItem(REMEMBERED)) ?? {}
  } catch {
    return {}
  }
}

/**
 * What the address says after `#` (token, names, version, host), which no server ever sees; it is then
 * removed from the address bar.
 */
function fromFragment() {
  const given = Object.fromEntries(new URLSearchParams(location.hash.slice(1)))
  if (given.token !== undefined) history.replaceState(null, '', location.pathname + location.search)
  return given
}

const ownHost = () => location.host + location.pathname.replace(/console\/?$/, '')

function fillAndConnect() {
  byId('foreign').close()
  const fragment = fromFragment()
  const given = fragment.token === undefined ? remembered() : fragment
  fields.host.value = given.host ?? ownHost()
  fields.token.value = given.token ?? ''
  fields.names.value = Array.isArray(given.names) ? given.names.join(', ') : (given.names ?? '*')
  fields.version.value = String(given.version ?? 2) === '1' ? '1' : '2'
  if (fields.token.value !== '') connect()
}

function drawCodes() {
  for (const [code, meaning, then] of CLOSE_CODES) {
    const row = byId('code-rows').insertRow()
    row.dataset.code = String(code)
    const head = document.createElement('th')
    head.scope = 'row'
    head.textContent = String(code)
    row.append(head)
    row.insertCell().textContent = meaning
    row.insertCell().textContent = then
  }
}

byId('form').addEventListener('submit', (event) => {
  event.preventDefault()
  connect()
})
byId('foreign-accept').addEventListener('click', () => {
  agreedTo.add(byId('foreign-host').textContent)
  byId('foreign').close()
  connect()
})
byId('foreign-refuse').addEventListener('click', () => {
  byId('foreign').close()
  fields.host.value = ownHost()
})
byId('foreign').addEventListener('cancel', () => (fields.host.value = ownHost()))
byId('disconnect').addEventListener('click', disconnect)
byId('filter').addEventListener('input', (event) => (list.filter = event.target.value))
byId('pretty').addEventListener('change', (event) => (list.pretty = event.target.checked))
byId('clear').addEventListener('click', () => list.clear())
byId('pause').addEventListener('click', ({ currentTarget: button }) => {
  const paused = button.getAttribute('aria-pressed') !== 'true'
  button.setAttribute('aria-pressed', String(paused))
  button.textContent = paused ? 'Resume' : 'Pause'
  list.paused = paused
})
window.addEventListener('hashchange', () => {
  if (location.hash.includes('token=')) fillAndConnect()
})

drawCodes()
fillAndConnect()

/* global document, location, matchMedia, window */
/** The live page: its parts, and what its buttons do. */
import { CodeTable } from './code-table.js'
import { ConnectionLog } from './connection-log.js'
import { Counters } from './counters.js'
import { EventPanel } from './event-panel.js'
import { ForeignHost, parseHost } from './foreign-host.js'
import { Session } from './session.js'
import { Settings } from './settings.js'
import { StatusLine } from './status-line.js'
import { TokenForm } from './token-form.js'

const NARROW = '(max-width: 48rem)'

const byId = (id) => document.getElementById(id)

const settings = new Settings({
  host: byId('host'),
  token: byId('token'),
  names: byId('names'),
  version: byId('version'),
  keep: byId('keep'),
})
const foreign = new ForeignHost({
  dialog: byId('foreign'),
  name: byId('foreign-host'),
  accept: byId('foreign-accept'),
  refuse: byId('foreign-refuse'),
})
const parts = {
  status: new StatusLine({
    state: byId('state'),
    text: byId('state-text'),
    countdown: byId('countdown'),
    notice: byId('notice'),
  }),
  log: new ConnectionLog(byId('log-entries'), byId('log-count')),
  counters: new Counters({
    events: byId('count-events'),
    rate: byId('count-rate'),
    names: byId('count-names'),
    bytes: byId('count-bytes'),
    ping: byId('count-ping'),
    reconnects: byId('count-reconnects'),
    graph: byId('graph'),
    most: byId('graph-most'),
  }),
  panel: new EventPanel(),
  codes: new CodeTable(byId('code-rows')),
  tokenForm: new TokenForm({
    form: byId('token-form'),
    field: byId('new-token'),
    title: byId('token-title'),
    submit: byId('token-submit'),
    cancel: byId('token-cancel'),
  }),
  live(token, first) {
    parts.renewed(token)
    setButtons(true)
    if (first && matchMedia(NARROW).matches) byId('settings').open = false
  },
  renewed(token) {
    settings.token = token
    settings.remember()
  },
  lost: () => setButtons(false),
  over() {
    session = null
    setButtons(false)
    byId('settings').open = true
  },
}
let session = null

function setButtons(live) {
  byId('connect').textContent = session === null ? 'Connect' : 'Connect again'
  byId('disconnect').disabled = session === null
  byId('renew').disabled = !live
  byId('ping').disabled = !live
}

async function connect() {
  disconnect()
  const { host, token, names, version } = settings
  try {
    const url = parseHost(host)
    const agreed = await foreign.mayHaveToken(url)
    if (agreed === false) settings.forgetHost()
    if (agreed !== true) return
    settings.remember()
    parts.status.notice = ''
    session?.close()
    session = new Session({ url, token, names, version }, parts)
    session.open()
    setButtons(false)
  } catch {
    parts.status.show('refused', 'Not connected')
    parts.status.notice = `“${host}” is not a host or ws:// address that this page may connect to.`
  }
}

function disconnect() {
  if (session !== null) parts.log.add('closed', 'You disconnected.')
  session?.close()
  session = null
  parts.status.show('closed', 'Not connected')
  parts.status.notice = ''
  setButtons(false)
}

function fillAndConnect() {
  foreign.close()
  if (settings.fill()) void connect()
}

byId('form').addEventListener('submit', (event) => {
  event.preventDefault()
  void connect()
})
byId('disconnect').addEventListener('click', disconnect)
byId('renew').addEventListener('click', () => void session?.renew())
byId('ping').addEventListener('click', () => session?.ping())
window.addEventListener('hashchange', () => {
  if (location.hash.includes('token=')) fillAndConnect()
})

fillAndConnect()

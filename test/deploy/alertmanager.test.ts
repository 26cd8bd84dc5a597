import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { waitFor } from '../support/wait.mjs'
import {
  ALERTMANAGER_CONFIG,
  startAlertmanager,
  type Alertmanager,
  type AlertLabels,
} from '../support/alertmanager.js'
import { runTool } from '../support/tools.js'

const RULES = new URL('../../deploy/prometheus/rules/wazo-websocketd-alerts.yml', import.meta.url)

const EDGE = { job: 'wazo-websocketd-edge', instance: 'a:9504' }
const OTHER_EDGE = { job: 'wazo-websocketd-edge', instance: 'b:9504' }
const INGEST = { job: 'wazo-websocketd-ingest', instance: 'a:9505' }
/** Of the whole cluster. */
const NOWHERE = {}

/** Where each alert comes from, as its rule has it. */
const PLACES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  TargetDown: EDGE,
  RestartLoop: EDGE,
  RedisDown: EDGE,
  RabbitmqDown: INGEST,
  WazoAuthFailing: NOWHERE,
  WorkerCrashLoop: EDGE,
  WorkerHung: EDGE,
  FileDescriptorsLow: EDGE,
  UpgradeFailed: EDGE,
  NotPublishing: NOWHERE,
  NotServing: EDGE,
  MassClose1011: NOWHERE,
  MassClose4002: NOWHERE,
  MassClose4003: NOWHERE,
  DeliveryLatencyHigh: NOWHERE,
  NothingDelivered: NOWHERE,
  EventLoopLag: EDGE,
  BackstopActing: NOWHERE,
}

const NO_EVENTS = ['NotServing', 'MassClose1011', 'DeliveryLatencyHigh', 'NothingDelivered']
/** What each cause mutes; every other alert is heard beside it. */
const MUTES: readonly (readonly [cause: string, place: AlertLabels, muted: readonly string[]])[] = [
  ['RedisDown', EDGE, ['NotPublishing', 'BackstopActing', ...NO_EVENTS]],
  ['RedisDown', INGEST, ['NotPublishing', 'BackstopActing', ...NO_EVENTS]],
  ['RabbitmqDown', INGEST, ['NotPublishing', ...NO_EVENTS]],
  ['TargetDown', INGEST, ['NotPublishing', ...NO_EVENTS]],
  ['TargetDown', EDGE, []],
  ['RestartLoop', EDGE, ['TargetDown', 'RedisDown', 'NotServing', 'EventLoopLag']],
  ['NotPublishing', NOWHERE, NO_EVENTS],
  ['WazoAuthFailing', NOWHERE, ['NotServing']],
  ...['WorkerCrashLoop', 'WorkerHung'].map(
    (cause) =>
      [
        cause,
        EDGE,
        ['RedisDown', 'EventLoopLag', 'FileDescriptorsLow', 'BackstopActing', ...NO_EVENTS],
      ] as const,
  ),
  ['EventLoopLag', EDGE, ['DeliveryLatencyHigh', 'BackstopActing']],
  ['FileDescriptorsLow', EDGE, ['NotServing']],
  ['UpgradeFailed', EDGE, []],
  ['MassClose1011', NOWHERE, []],
  ['MassClose4002', NOWHERE, []],
  ['MassClose4003', NOWHERE, []],
]

const alert = (name: string, place: AlertLabels): AlertLabels => ({
  alertname: `Websocketd${name}`,
  ...place,
})

describe('the inhibition of a real Alertmanager', function () {
  this.timeout(60_000)
  let alertmanager: Alertmanager
  let runs = 0

  before(async () => {
    alertmanager = await startAlertmanager()
  })
  after(() => alertmanager.stop())

  /** The alerts that amtool says are muted (or not), of clusters whose names begin with `clusters`. */
  async function query(muted: boolean, clusters: string): Promise<string[]> {
    const { status, output } = await runTool('amtool', [
      `--alertmanager.url=http://127.0.0.1:${alertmanager.port}`,
      ...['alert', 'query', muted ? '--inhibited' : '--active', '--output=json', `cluster=~${clusters}`],
    ])
    expect(status, output).to.equal(0)
    const found = JSON.parse(output) as { labels: AlertLabels; status: { state: string } }[]
    return found
      .filter(({ status: { state } }) => (state === 'suppressed') === muted)
      .map(({ labels }) => labels['alertname']!.replace('Websocketd', ''))
      .sort()
  }

  /** Has `incidents` fire, each in a cluster of its own, and returns what is muted of all of them. */
  async function mutedAmong(incidents: readonly (readonly AlertLabels[])[]): Promise<string[]> {
    const run = `run${++runs}`
    const told = incidents.flatMap((alerts, at) =>
      alerts.map((labels) => ({ ...labels, cluster: `${run}-${at}` })),
    )
    await alertmanager.post(told)
    // It takes alerts in one after the other: when this one is muted, all before have been seen.
    const last = `last${runs}`
    await alertmanager.post(
      [alert('RedisDown', EDGE), alert('MassClose1011', NOWHERE)].map((labels) => ({
        ...labels,
        cluster: last,
      })),
    )
    await waitFor(async () => (await query(true, last)).length === 1, { what: 'the last alert to be muted' })
    return query(true, `${run}-.*`)
  }

  it('is configured rightly, by amtool', async () => {
    const { status, output } = await runTool('amtool', ['check-config', fileURLToPath(ALERTMANAGER_CONFIG)])
    expect(status, output).to.equal(0)
  })

  it('is tested with every alert', async () => {
    const rules = await readFile(RULES, 'utf8')
    const names = [...rules.matchAll(/- alert: Websocketd(\w+)/g)].map(([, name]) => name!)
    expect(Object.keys(PLACES)).to.have.members(names)
  })

  for (const [cause, place, expected] of MUTES)
    it(`lets ${cause} (${place['job'] ?? 'of the cluster'}) mute ${expected.join(', ') || 'nothing'}`, async () => {
      // Each with the cause alone: others of them may be causes too.
      const others = Object.entries(PLACES).filter(([name]) => name !== cause)
      const muted = await mutedAmong(others.map(([name, at]) => [alert(cause, place), alert(name, at)]))
      expect(muted.filter((name) => name !== cause)).to.have.members([...expected])
    })

  it('leaves what happens on another host, or in another cluster, alone', async () => {
    const elsewhere = [alert('WorkerHung', EDGE), alert('EventLoopLag', OTHER_EDGE)]
    expect(await mutedAmong([elsewhere, [alert('MassClose1011', NOWHERE)]])).to.deep.equal([])
  })

  it('makes one message of an incident in which everything that depends on Redis fires, without a label `cluster` too', async () => {
    const symptoms = ['NotPublishing', 'BackstopActing', ...NO_EVENTS]
    await alertmanager.post([
      alert('RedisDown', EDGE),
      alert('RedisDown', INGEST),
      ...symptoms.map((name) => alert(name, PLACES[name]!)),
    ])
    await waitFor(async () => (await query(true, '')).length === symptoms.length, { what: 'the symptoms' })
    expect(new Set(await query(false, ''))).to.deep.equal(new Set(['RedisDown']))
  })
})

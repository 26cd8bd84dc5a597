import { build, encodeIntoCompressedBase64, type Histogram } from 'hdr-histogram-js'
import { measuring } from '../hot-path/usage.js'
import { RawClient, type Address, type ClientListener } from './client.js'
import type { Counted, Opened, ToCrowd } from './crowd-messages.js'
import { nowUs, stampOf } from './event.js'
import { isObserved } from './observed.js'

const ADDRESSES_PER_GROUP = 100
const CONNECTING_MS_MAX = 90_000
const FAULTS_KEPT_MAX = 5
const LATENCY_US_MAX = 3_600_000_000

/** Clients of one server. */
export class CrowdGroup implements ClientListener {
  private readonly clients: RawClient[] = []
  private readonly faults: string[] = []
  private admittedClients = 0
  private readyClients = 0
  private admittedAt = 0
  private progressed: () => void = () => undefined
  private events = 0
  private awaited = Infinity
  private lastAtUs = 0
  private readonly latency: Histogram = build({ highestTrackableValue: LATENCY_US_MAX })
  private used = measuring()

  /** Connects; never rejects: the answer tells of failures. */
  async open(order: Extract<ToCrowd, { do: 'open' }>): Promise<Opened> {
    const { paths, connectingMax } = order
    const used = measuring()
    const from = performance.now()
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        this.faults.push(
          `${paths.length - this.readyClients} clients were not ready after ${CONNECTING_MS_MAX} ms`,
        )
        resolve()
      }, CONNECTING_MS_MAX)
      this.progressed = () => {
        while (this.clients.length < paths.length && this.clients.length - this.readyClients < connectingMax)
          this.connect(order, this.clients.length)
        if (this.readyClients < paths.length && this.faults.length === 0) return
        clearTimeout(timer)
        resolve()
      }
      this.progressed()
    })
    this.progressed = () => undefined
    return {
      admittedMs: this.admittedAt - from,
      readyMs: performance.now() - from,
      cpuShare: shareOf(used(null)),
      failures: this.faults.splice(0),
    }
  }

  arm(): void {
    this.events = 0
    this.awaited = Infinity
    this.lastAtUs = 0
    this.latency.reset()
    this.used = measuring()
  }

  async count(events: number, timeoutMs: number): Promise<Counted> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs)
      this.awaited = events
      this.progressed = () => {
        if (this.events < events && this.faults.length === 0) return
        clearTimeout(timer)
        resolve()
      }
      this.progressed()
    })
    this.progressed = () => undefined
    return {
      events: this.events,
      lastAtUs: this.lastAtUs,
      cpuShare: shareOf(this.used(null)),
      latency: encodeIntoCompressedBase64(this.latency),
      lost: this.faults.splice(0),
    }
  }

  close(): void {
    for (const client of this.clients.splice(0)) client.drop()
  }

  admitted(): void {
    this.admittedClients++
    this.admittedAt = performance.now()
  }

  ready(): void {
    this.readyClients++
    this.progressed()
  }

  event(client: RawClient, bytes: Buffer, from: number, to: number): void {
    this.events++
    if (client.sampled) {
      this.lastAtUs = nowUs()
      const at = stampOf(bytes, from, to)
      if (at > 0) this.latency.recordValue(Math.max(1, this.lastAtUs - at))
    }
    if (this.events === this.awaited) this.progressed()
  }

  lost(_client: RawClient, why: string): void {
    if (this.faults.length < FAULTS_KEPT_MAX) this.faults.push(why)
    this.progressed()
  }

  private connect({ port, dialect, paths, network }: Extract<ToCrowd, { do: 'open' }>, i: number): void {
    const localAddress = `127.${network}.0.${1 + (i % ADDRESSES_PER_GROUP)}`
    const address: Address = { port, dialect, path: paths[i]!, localAddress }
    this.clients.push(new RawClient(address, isObserved(i), this))
  }
}

function shareOf({ cpuUs, wallMs }: { cpuUs: number; wallMs: number }): number {
  return cpuUs / 1_000 / wallMs
}

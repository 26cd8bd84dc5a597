import { build, decodeFromCompressedBase64, type Histogram } from 'hdr-histogram-js'
import { isObserved } from './observed.js'
import { Peer } from '../hot-path/peer.js'
import type { Counted, Opened, ToCrowd } from './crowd-messages.js'
import type { DialectName } from './dialect.js'

const PROCESSES = 2
const LATENCY_US_MAX = 3_600_000_000
/** The first network of addresses; 127.0 is for everybody else. */
const NETWORK = 11

/** What all clients of a group got. */
export interface Received {
  readonly events: number
  readonly lastAtUs: number
  /** Of the busiest process. */
  readonly cpuShare: number
  /** Microseconds. */
  readonly latency: Histogram
  readonly lost: readonly string[]
}

/** All clients, in processes of their own. */
export class Crowd {
  private readonly peers = Array.from(
    { length: PROCESSES },
    () => new Peer<ToCrowd>('../load/crowd-program.ts'),
  )
  private readonly sessions = new Map<string, number[]>()

  /**
   * Connects a client for each path. What concerns all of them is the slowest process's.
   * @param connectingMax - Clients that are not ready yet, at any time.
   */
  async open(
    group: string,
    server: { port: number; dialect: DialectName },
    paths: readonly string[],
    connectingMax = 200,
  ): Promise<Opened> {
    const parts = this.peers.map((_, p) => paths.filter((_path, i) => i % PROCESSES === p))
    this.sessions.set(
      group,
      parts.map(({ length }) => length),
    )
    const { port, dialect } = server
    const each = Math.max(1, Math.floor(connectingMax / PROCESSES))
    const opened = await this.askAll<Opened>((p) => {
      return { do: 'open', group, port, dialect, paths: parts[p]!, connectingMax: each, network: NETWORK + p }
    })
    return {
      admittedMs: Math.max(...opened.map(({ admittedMs }) => admittedMs)),
      readyMs: Math.max(...opened.map(({ readyMs }) => readyMs)),
      cpuShare: Math.max(...opened.map(({ cpuShare }) => cpuShare)),
      failures: opened.flatMap(({ failures }) => failures),
    }
  }

  async arm(group: string): Promise<void> {
    await this.askAll(() => ({ do: 'arm', group }))
  }

  /** Waits until every client has got `each` events. For events that only one client gets there is `countOne`. */
  async count(group: string, each: number, timeoutMs: number): Promise<Received> {
    const sessions = this.sessions.get(group) ?? []
    return this.counted((p) => ({ do: 'count', group, events: each * (sessions[p] ?? 0), timeoutMs }))
  }

  /** Waits until client number `client` of the group (and nobody else) has got so many events. */
  async countOne(group: string, client: number, events: number, timeoutMs: number): Promise<Received> {
    return this.counted((p) => {
      return { do: 'count', group, events: client % PROCESSES === p ? events : 0, timeoutMs }
    })
  }

  /** The number of the next client from `client` on that looks at latency. */
  observedFrom(client: number): number {
    let next = Math.floor(client)
    while (!isObserved(Math.floor(next / PROCESSES))) next++
    return next
  }

  async close(group: string): Promise<void> {
    await this.askAll(() => ({ do: 'close', group }))
  }

  async stop(): Promise<void> {
    await Promise.all(this.peers.map((peer) => peer.stop()))
  }

  private async counted(order: (process: number) => ToCrowd): Promise<Received> {
    const counted = await this.askAll<Counted>(order)
    const latency = build({ highestTrackableValue: LATENCY_US_MAX })
    for (const part of counted) latency.add(decodeFromCompressedBase64(part.latency))
    return {
      events: counted.reduce((sum, { events }) => sum + events, 0),
      lastAtUs: Math.max(...counted.map(({ lastAtUs }) => lastAtUs)),
      cpuShare: Math.max(...counted.map(({ cpuShare }) => cpuShare)),
      latency,
      lost: counted.flatMap(({ lost }) => lost),
    }
  }

  private askAll<Answer>(order: (process: number) => ToCrowd): Promise<Answer[]> {
    return Promise.all(this.peers.map((peer, p) => peer.ask<Answer>(order(p))))
  }
}

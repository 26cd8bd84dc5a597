/** What the processes of the edges hold: timers, handles, memory. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { temporaryDirectory } from '../../support/guard.mjs'
import { waitFor } from '../../support/wait.mjs'
import type { EdgeHost } from '../../support/cluster.js'

const PRELOAD = new URL('../../support/timer-count.mjs', import.meta.url)
const ANSWER_MS_MAX = 10_000
/** The queue's workers are connected, and wait for jobs. */
const START_MS = 3_000
const REST_TIMES = 10
const BETWEEN_MS = 500

type Counts = Readonly<Record<string, number>>

/** What one process told of itself, garbage collected before. */
export interface Holding {
  /** Also those that do not keep the process alive. */
  readonly timers: number
  /** How many live timers each place in the programs has made. */
  readonly places: Counts
  /** What keeps the process alive, by its kind. */
  readonly resources: Counts
  /** In memory, also closed ones. */
  readonly sockets: number
  readonly heapUsed: number
  readonly rss: number
}

/** By what they are called here: `edge 1 worker 2`. */
export type Holdings = ReadonlyMap<string, Holding>

/** Asks processes that were started with its environment (support/timer-count.mjs). */
export class HoldingsProbe {
  readonly env: Readonly<Record<string, string>>
  private readonly directory: string
  private readonly pids = new Map<string, number>()
  private asked = 0

  private constructor(directory: string) {
    this.directory = directory
    const options = [process.env['NODE_OPTIONS'], `--import=${PRELOAD.href}`]
    this.env = { WAZO_TIMER_COUNTS: directory, NODE_OPTIONS: options.filter(Boolean).join(' ') }
  }

  static async make(): Promise<HoldingsProbe> {
    return new HoldingsProbe(await temporaryDirectory('timers'))
  }

  /** Whom to ask. */
  observe(edges: readonly EdgeHost[]): void {
    for (const [i, edge] of edges.entries()) {
      this.pids.set(`edge ${i + 1} primary`, edge.program.pid)
      for (const [j, pid] of edge.workerPids().entries()) this.pids.set(`edge ${i + 1} worker ${j + 1}`, pid)
    }
  }

  pid(name: string): number {
    const pid = this.pids.get(name)
    if (pid === undefined) throw new Error(`no process is called ${name}`)
    return pid
  }

  async ask(): Promise<Holdings> {
    const word = String(++this.asked)
    const file = join(this.directory, 'ask')
    writeFileSync(`${file}.new`, word)
    renameSync(`${file}.new`, file)
    const holdings = new Map<string, Holding>()
    for (const [name, pid] of this.pids)
      holdings.set(
        name,
        await waitFor(() => this.answer(pid, word), {
          timeoutMs: ANSWER_MS_MAX,
          what: `an answer of ${name}`,
        }),
      )
    return holdings
  }

  /** What each of them holds at rest: the least in a while, because timers of requests under way come and go. */
  async askAtRest(): Promise<Holdings> {
    await sleep(START_MS)
    let least = await this.ask()
    for (let times = 1; times < REST_TIMES; times++) {
      await sleep(BETWEEN_MS)
      least = lower(least, await this.ask())
    }
    return least
  }

  /**
   * Asks until each has once held no more than `before`; tells what is still too much after `timeoutMs`, in words.
   * What leaks never goes away again, so that once is enough.
   */
  async askBackAt(
    before: Holdings,
    timeoutMs: number,
  ): Promise<{ least: Holdings; tooMuch: readonly string[] }> {
    const deadline = performance.now() + timeoutMs
    let least = await this.ask()
    for (;;) {
      const tooMuch = excess(before, least)
      if (tooMuch.length === 0 || performance.now() > deadline) return { least, tooMuch }
      await sleep(BETWEEN_MS)
      least = lower(least, await this.ask())
    }
  }

  private answer(pid: number, word: string): Holding | null {
    try {
      const file = readFileSync(join(this.directory, `${pid}.json`), 'utf8')
      const answer = JSON.parse(file) as Holding & { readonly asked: string }
      return answer.asked === word ? withoutOccasional(answer) : null
    } catch {
      return null
    }
  }
}

/** prom-client's counts of handles and resources of a host's processes together, as `/metrics` shows them. */
export async function activeByMetrics({ adminPort }: EdgeHost): Promise<Counts> {
  const counts: Record<string, number> = {}
  for (const line of (await scrape(adminPort)).split('\n')) {
    const [, name, value] = /^(nodejs_active_\w+\{type="\w+"\}) (\d+)$/.exec(line) ?? []
    if (name !== undefined) counts[name] = Number(value)
  }
  return counts
}

/** Where there is more than before, in words; empty when nowhere. */
export function more(before: Counts, now: Counts): string[] {
  return Object.entries(now)
    .filter(([name, count]) => count > (before[name] ?? 0))
    .map(([name, count]) => `${count} instead of ${before[name] ?? 0} ${name}`)
}

function excess(before: Holdings, now: Holdings): string[] {
  return [...now].flatMap(([name, { timers, places, resources, sockets }]) => {
    const old = before.get(name)
    const tooMuch = more(old?.resources ?? {}, resources)
    tooMuch.push(...more({ sockets: old?.sockets ?? 0 }, { sockets }))
    if (timers > (old?.timers ?? 0))
      tooMuch.push(`${timers} instead of ${old?.timers ?? 0} timers`, ...more(old?.places ?? {}, places))
    return tooMuch.map((what) => `${name}: ${what}`)
  })
}

function lower(a: Holdings, b: Holdings): Holdings {
  return new Map([...a].map(([name, holding]) => [name, lowerOf(holding, b.get(name) ?? holding)]))
}

function lowerOf(a: Holding, b: Holding): Holding {
  return {
    ...(a.timers <= b.timers
      ? { timers: a.timers, places: a.places }
      : { timers: b.timers, places: b.places }),
    resources: lowerCounts(a.resources, b.resources),
    sockets: Math.min(a.sockets, b.sockets),
    heapUsed: Math.min(a.heapUsed, b.heapUsed),
    rss: Math.min(a.rss, b.rss),
  }
}

function lowerCounts(a: Counts, b: Counts): Counts {
  return Object.fromEntries(Object.entries(a).map(([name, count]) => [name, Math.min(count, b[name] ?? 0)]))
}

/**
 * Single timers that a process has at times, whatever sessions do: BullMQ's wait for a job, and the service token of the one
 * worker of a host that asks wazo-auth for the master tenant, which is another one when that one was busy for seconds.
 */
const OCCASIONAL = [/bullmq.*redis-queue-backend/, /ServiceTokenKeeper[.]schedule/]

/** The same without the timers that a process has at times. */
function withoutOccasional(holding: Holding): Holding {
  return OCCASIONAL.reduce((left, occasional) => {
    const { timers, places, resources } = left
    const place = Object.keys(places).find((name) => occasional.test(name))
    if (place === undefined || places[place] !== 1) return left
    return {
      ...left,
      timers: timers - 1,
      places: { ...places, [place]: 0 },
      resources: { ...resources, Timeout: (resources['Timeout'] ?? 1) - 1 },
    }
  }, holding)
}

/** On a connection of its own that ends with the answer: it is itself among what is counted. */
function scrape(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get({ host: '127.0.0.1', port, path: '/metrics', agent: false }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
      response.on('end', () => resolve(body)).on('error', reject)
    })
    request.on('error', reject)
  })
}

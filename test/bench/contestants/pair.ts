/** Two server processes that share a port, as the edge's workers do. */
import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { answerParent } from '../hot-path/peer.js'
import type { Pace } from '../load/pace.js'

const WORKERS = 2
const BACKLOG = 4_096

/** To the program of such a pair. */
export type ToPair =
  | { readonly do: 'start'; readonly options: Readonly<Record<string, string>> }
  /** For servers that make their events by themselves; answered when all are sent. */
  | { readonly do: 'run'; readonly pace: Pace }

export interface Started {
  readonly port: number
  /** The primary's and the workers'. */
  readonly pids: readonly number[]
}

/**
 * The whole program: in the primary it answers the bench, in a worker it calls `work` with the options and then
 * `run` of what that gave for each `run`.
 */
export function servePair(
  work: (
    options: Readonly<Record<string, string>>,
  ) => Promise<{ server: Server; run?: (pace: Pace) => Promise<unknown> }>,
): void {
  if (cluster.isPrimary) answerParent((asked) => primary(asked as ToPair))
  else worker(work)
}

const workers: Worker[] = []

async function primary(order: ToPair): Promise<unknown> {
  if (order.do === 'run') return tellAll(order)
  for (let i = 0; i < WORKERS; i++) workers.push(cluster.fork())
  // A worker of node:cluster loses what it is told before it listens.
  await Promise.all(workers.map((each) => once(each, 'message')))
  const ports = (await tellAll(order)) as number[]
  const pids = workers.map(({ process }) => process.pid!)
  return { port: ports[0]!, pids: [process.pid, ...pids] } satisfies Started
}

async function tellAll(order: ToPair): Promise<unknown[]> {
  return Promise.all(
    workers.map(async (each) => {
      const answer = once(each, 'message') as Promise<[unknown]>
      each.send(order)
      return (await answer)[0]
    }),
  )
}

function worker(work: Parameters<typeof servePair>[0]): void {
  let run: ((pace: Pace) => Promise<unknown>) | undefined
  process.on('SIGINT', () => undefined)
  process.once('disconnect', () => process.exit(0))
  process.on('message', (order: ToPair) => {
    if (order.do === 'run') {
      void run?.(order.pace).then(() => process.send?.('done'))
      return
    }
    void work(order.options).then(async (made) => {
      run = made.run
      made.server.listen({ host: '127.0.0.1', port: 0, backlog: BACKLOG })
      await once(made.server, 'listening')
      process.send?.((made.server.address() as AddressInfo).port)
    })
  })
  process.send?.('listening')
}

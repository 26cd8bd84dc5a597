/** Answers of the admin endpoints. */
import type { EdgeAnswer, IngestAnswer, SessionAnswer, WorkerEntry } from '@wazo-websocketd/edge/ctl/shapes'

export const SINCE = '2026-01-01T00:00:00.000Z'

export function workerAnswer(worker: number, over: Partial<WorkerEntry> = {}): WorkerEntry {
  return {
    ...{ worker, pid: 100 + worker, ready: true, upSeconds: 60 },
    status: {
      ...{ version: '1.0.0', sessions: 3, live: 2, missing: [], masterTenant: 'master' },
      bus: {
        ingests: [{ ingest: 'i', state: 'up', ageMs: 10 }],
        partitions: [{ partition: 0, live: true, epoch: 'e', offset: 90 }],
      },
      losses: [],
    },
    ...over,
  }
}

export function edgeAnswer(over: Partial<EdgeAnswer> = {}): EdgeAnswer {
  return {
    ...{ program: 'wazo-websocketd-edge', version: '1.0.0', pid: 7, since: SINCE, ready: true, missing: [] },
    upgrade: { underWay: false, workers: '1.0.0', last: null },
    workers: [workerAnswer(0), workerAnswer(1)],
    ...over,
  }
}

export function ingestAnswer(over: Partial<IngestAnswer> = {}): IngestAnswer {
  return {
    ...{ program: 'wazo-websocketd-ingest', version: '1.0.0', pid: 8, since: SINCE, ingest: 'abcdefgh-1' },
    ...{ uuid: null, state: 'up', missing: [], publishing: true, brokerHost: 'rabbit:5672', epoch: 'e' },
    ...{ heads: [100], lagSeconds: 0.0123, messages: { published: 5 }, epochs: [], failures: [] },
    ...over,
  }
}

export function sessionAnswer(over: Partial<SessionAnswer> = {}): SessionAnswer {
  return {
    ...{ worker: 0, token: '01234567', user: 'u', tenant: 't', admin: false, master: false },
    ...{ address: '192.0.2.1', version: 2, since: SINCE, started: true, closing: false },
    ...{ subscriptions: ['a', 'b', 'c', 'd'], subscriptionCount: 9, sentEvents: 4 },
    ...{ bufferedBytes: 0, behind: 0, lastPongSeconds: 1.5 },
    ...over,
  }
}

/** A primary whose workers pass their connections to each other when the test says so. */
import cluster, { type Worker } from 'node:cluster'
import { readdirSync } from 'node:fs'
import { workerPeer, type HandoverPeer } from '@wazo-websocketd/edge/handover/channel'
import { HandoverRelay } from '@wazo-websocketd/edge/handover/relay'
import { fileURLToPath } from 'node:url'
import { systemClock } from '@wazo-websocketd/shared/runtime/clock'
import type { Answers, Command } from './messages.js'

const [host, takenWithinMs] = process.argv.slice(2)

interface Known {
  readonly worker: Worker
  readonly peer: HandoverPeer
}

cluster.schedulingPolicy = cluster.SCHED_RR
cluster.setupPrimary({
  exec: fileURLToPath(new URL(import.meta.url.replace(/primary(?=[.][jt]s$)/, 'worker'))),
  args: [host!],
})
const relay = new HandoverRelay({ clock: systemClock, takenWithinMs: Number(takenWithinMs) })
const workers = new Map<number, Known>()

process.on('message', ({ command, id }: { command: Command; id: number }) => {
  void carryOut(command).then((answers) => process.send!({ id, answers }))
})
process.on('disconnect', () => {
  for (const { worker } of workers.values()) worker.process.kill('SIGKILL')
  process.exit(0)
})

async function carryOut(command: Command): Promise<Answers> {
  switch (command.do) {
    case 'fork':
      return fork(command.port)
    case 'move': {
      const from = workers.get(command.from)!
      if (command.to !== null) relay.pair(from.peer, workers.get(command.to)!.peer)
      return ask(from.worker, 'move')
    }
    case 'kill': {
      const { worker } = workers.get(command.worker)!
      const ended = new Promise((resolve) => worker.once('exit', resolve))
      worker.process.kill('SIGKILL')
      await ended
      return {}
    }
    case 'ask': {
      const primary = { fds: readdirSync('/proc/self/fd').length, onTheWay: relay.size }
      return { ...(await ask(workers.get(command.worker)!.worker, 'facts')), primary }
    }
    case 'deafen':
    case 'pause':
      return ask(workers.get(command.worker)!.worker, command.do)
  }
}

async function fork(port: number): Promise<Answers> {
  const worker = cluster.fork({ TEST_PORT: String(port) })
  worker.on('error', () => undefined)
  const peer = workerPeer(worker)
  workers.set(worker.id, { worker, peer })
  relay.watch(peer)
  const answers = await answerOf(worker)
  return { ...answers, worker: worker.id, pid: worker.process.pid! }
}

function ask(worker: Worker, what: string): Promise<Answers> {
  const answer = answerOf(worker)
  worker.send({ what })
  return answer
}

/** A worker that dies answers nothing, which is an answer. */
function answerOf(worker: Worker): Promise<Answers> {
  return new Promise((resolve) => {
    const hear = (message: { answers?: Answers }) => {
      if (message.answers === undefined) return
      worker.off('message', hear)
      worker.off('exit', die)
      resolve(message.answers)
    }
    const die = () => resolve({})
    worker.on('message', hear)
    worker.once('exit', die)
  })
}

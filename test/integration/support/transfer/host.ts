/** The test's end of a primary with workers. */
import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../../support/port.mjs'
import type { Answers, Command, Facts, Tally } from './messages.js'

const PRIMARY = fileURLToPath(new URL('./primary.ts', import.meta.url))

export interface TestWorker {
  readonly id: number
  readonly pid: number
  readonly port: number
}

export class TransferHost {
  readonly address: string
  private readonly child: ChildProcess
  private readonly waiting = new Map<number, (answers: Answers) => void>()
  private lastId = 0

  constructor({ address = '127.0.0.1', takenWithinMs = 10_000 } = {}) {
    this.address = address
    this.child = fork(PRIMARY, [address, String(takenWithinMs)])
    this.child.on('message', ({ id, answers }: { id: number; answers: Answers }) => {
      this.waiting.get(id)?.(answers)
      this.waiting.delete(id)
    })
  }

  async worker(): Promise<TestWorker> {
    const { worker, pid, port } = await this.command({ do: 'fork', port: await freePort() })
    return { id: worker!, pid: pid!, port: port! }
  }

  /** Moves all connections that `from` has; `to` null: to the successor that it has, or to nobody. */
  async move(from: TestWorker, to: TestWorker | null): Promise<Tally> {
    const { tally } = await this.command({ do: 'move', from: from.id, to: to?.id ?? null })
    return tally ?? { died: 1 }
  }

  async kill(worker: TestWorker): Promise<void> {
    await this.command({ do: 'kill', worker: worker.id })
  }

  async tell(worker: TestWorker, what: 'deafen' | 'pause'): Promise<void> {
    await this.command({ do: what, worker: worker.id })
  }

  async facts(worker: TestWorker): Promise<Facts & { primary: { fds: number; onTheWay: number } }> {
    const { facts, primary } = await this.command({ do: 'ask', worker: worker.id })
    return { ...facts!, primary: primary! }
  }

  url(worker: TestWorker): string {
    return `ws://${this.address.includes(':') ? `[${this.address}]` : this.address}:${worker.port}/`
  }

  /** Ends the primary, which kills its workers. */
  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.child.once('exit', resolve))
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    this.child.disconnect()
    await ended
  }

  private command(command: Command): Promise<Answers> {
    const id = (this.lastId += 1)
    return new Promise((resolve) => {
      this.waiting.set(id, resolve)
      this.child.send({ command, id })
    })
  }
}

import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'
import type { Random } from '../support/scenario/random.js'

/** The real one: `Scheduler.run` replaces the global while it runs. */
const nextTurn = setImmediate

interface Task {
  /** Virtual milliseconds. */
  readonly at: number
  /** Decides among tasks of the same time; from the seed. */
  readonly tie: number
  readonly process: SimulatedProcess | null
  readonly run: () => void
  cancelled: boolean
}

/** A program of the simulated cluster: it can be stopped, woken and killed, and has clocks of its own. */
export class SimulatedProcess implements Clock {
  readonly name: string
  alive = true
  private readonly scheduler: Scheduler
  /** Its wall clock minus that of the scheduler. */
  private wallOffset: number
  private readonly steadyOffset: number
  /** What came up while it was stopped; null: it is not. */
  private held: Task[] | null = null
  private readonly deathTasks: (() => void)[] = []

  constructor(
    scheduler: Scheduler,
    name: string,
    clocks: { readonly wall: number; readonly steady: number },
  ) {
    this.scheduler = scheduler
    this.name = name
    this.wallOffset = clocks.wall
    this.steadyOffset = clocks.steady
  }

  now(): number {
    return this.scheduler.now + this.wallOffset
  }

  monotonic(): number {
    return this.scheduler.now + this.steadyOffset
  }

  after(delay: number, task: () => void): Timer {
    return this.scheduler.after(Math.max(0, delay), task, this)
  }

  /** Its wall clock is set by so much. */
  stepWall(ms: number): void {
    this.wallOffset += ms
  }

  /** As SIGSTOP: nothing of it runs until `thaw`. */
  freeze(): void {
    this.held ??= []
  }

  /** As SIGCONT: what came up meanwhile runs now, in its order. */
  thaw(): void {
    const { held } = this
    this.held = null
    for (const task of held ?? []) this.scheduler.again(task)
  }

  /** As SIGKILL: nothing of it runs any more. */
  kill(): void {
    if (!this.alive) return
    this.alive = false
    this.held = null
    for (const task of this.deathTasks.splice(0)) task()
  }

  /** Runs when the process is killed: what the kernel does for it. */
  onDeath(task: () => void): void {
    this.deathTasks.push(task)
  }

  /** Takes a task that has come up. False: it is to run now. */
  holds(task: Task): boolean {
    if (!this.alive) return true
    this.held?.push(task)
    return this.held !== null
  }
}

/** The virtual time of one run: every timer, message and turn of any process is a task here, and the seed gives their order. */
export class Scheduler {
  now = 0
  /** Tasks that have run. */
  steps = 0
  /** The process whose task runs now; null: none's. */
  current: SimulatedProcess | null = null
  private readonly random: Random
  private readonly heap: Task[] = []
  private digest = 0x811c9dc5
  /** Above those of other tasks: what was held back keeps its order. */
  private heldTie = 1

  constructor(random: Random) {
    this.random = random
  }

  /** Stands for everything that ran, and when. */
  get trace(): string {
    return (this.digest >>> 0).toString(16).padStart(8, '0')
  }

  after(delay: number, run: () => void, process: SimulatedProcess | null = this.current): Timer {
    const task = { at: this.now + delay, tie: this.random.next(), process, run, cancelled: false }
    this.push(task)
    return { cancel: () => void (task.cancelled = true) }
  }

  /** Has a task that was held back run now. */
  again(task: Task): void {
    if (!task.cancelled) this.push({ ...task, at: this.now, tie: this.heldTie++ })
  }
  /** Resolves after virtual `ms`. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.after(ms, resolve, null))
  }

  /** Runs tasks until `done` settles. Rejects as it does, or when nothing is left that could settle it. */
  async run<T>(done: Promise<T>): Promise<T> {
    const ended: ({ readonly value: T } | { readonly error: unknown })[] = []
    done.then(
      (value) => void ended.push({ value }),
      (error: unknown) => void ended.push({ error }),
    )
    const globals = globalThis as { setImmediate: unknown }
    globals.setImmediate = (task: (...args: unknown[]) => void, ...args: unknown[]) =>
      this.after(0, () => task(...args))
    try {
      await turn()
      while (ended.length === 0) {
        const task = this.pop()
        if (task === undefined) throw new Error('nothing is left to do')
        if (task.cancelled || task.process?.holds(task) === true) continue
        this.now = Math.max(this.now, task.at)
        this.steps++
        this.note(task)
        this.current = task.process
        task.run()
        await turn()
        this.current = null
      }
    } finally {
      globals.setImmediate = nextTurn
    }
    const [outcome] = ended
    if (outcome === undefined || 'error' in outcome) throw outcome?.error
    return outcome.value
  }

  private note({ at, process }: Task): void {
    this.digest = Math.imul(this.digest ^ Math.round(at * 1000), 0x01000193)
    for (let i = 0; i < (process?.name.length ?? 0); i++)
      this.digest = Math.imul(this.digest ^ process!.name.charCodeAt(i), 0x01000193)
  }

  private push(task: Task): void {
    const { heap } = this
    let at = heap.push(task) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(task, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = task
  }

  private pop(): Task | undefined {
    const { heap } = this
    const first = heap[0]
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return first
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, last)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
    return first
  }
}

function isBefore(a: Task, b: Task): boolean {
  return a.at < b.at || (a.at === b.at && a.tie < b.tie)
}

/** Lets all promises that can settle do so. */
function turn(): Promise<void> {
  return new Promise((resolve) => nextTurn(resolve))
}

/** Has the workers of this host share the master tenant. Runs in the primary. */
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import { parseWorkerMessage } from './messages.js'
import type { WorkerProcess } from './worker-process.js'

/** Workers say something every second; one that is silent for so long hangs. */
const SILENT_MS = 5_000

interface Member {
  readonly worker: WorkerProcess
  /** By the monotonic clock. */
  lastSeenAt: number
}

/** Workers with the same source of the master tenant. */
interface Group {
  /** In the order in which they came. */
  readonly members: Set<Member>
  /** The one that asks wazo-auth. */
  asking: Member
  tenant: string | null
}

/**
 * Has one of the workers that learn the master tenant from the same wazo-auth ask for it, and tells the others. When
 * that one ends or hangs, another one goes on. The source is a text of the workers that is only compared: after a
 * change of the configuration old and new workers are two groups. Nothing is kept of a group without workers.
 */
export class TenantRelay {
  private readonly clock: Clock
  private readonly groups = new Map<string, Group>()

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** Groups that have workers. */
  get size(): number {
    return this.groups.size
  }

  /** Listens to a worker, as long as it lives. */
  watch(worker: WorkerProcess): void {
    const member: Member = { worker, lastSeenAt: this.clock.monotonic() }
    let source: string | null = null
    worker.onMessage((message) => {
      member.lastSeenAt = this.clock.monotonic()
      const known = parseWorkerMessage(message)
      if (known?.kind === 'tenant-source' && source === null) this.join((source = known.source), member)
      else if (source !== null && known?.kind === 'tenant') this.learned(source, known.tenant)
      else if (source !== null) this.replaceSilent(source, member)
    })
    worker.onExit(() => {
      if (source !== null) this.leave(source, member)
    })
  }

  private join(source: string, member: Member): void {
    const group = this.groups.get(source)
    if (group === undefined)
      this.groups.set(source, { members: new Set([member]), asking: member, tenant: null })
    else group.members.add(member)
    this.tell(source, [member])
  }

  private learned(source: string, tenant: string): void {
    const group = this.groups.get(source)
    if (group === undefined || group.tenant === tenant) return
    group.tenant = tenant
    this.tell(source, group.members)
  }

  /** The newest goes on: during an upgrade the others are about to end. */
  private leave(source: string, member: Member): void {
    const group = this.groups.get(source)
    if (group === undefined) return
    group.members.delete(member)
    const newest = [...group.members].at(-1)
    if (newest === undefined) this.groups.delete(source)
    else if (group.asking === member) this.appoint(source, group, newest)
  }

  private replaceSilent(source: string, alive: Member): void {
    const group = this.groups.get(source)
    if (group === undefined || this.clock.monotonic() - group.asking.lastSeenAt <= SILENT_MS) return
    this.appoint(source, group, alive)
  }

  private appoint(source: string, group: Group, member: Member): void {
    const before = group.asking
    group.asking = member
    this.tell(source, group.members.has(before) ? [before, member] : [member])
  }

  private tell(source: string, members: Iterable<Member>): void {
    const group = this.groups.get(source)
    if (group === undefined) return
    for (const member of members)
      member.worker.send({ kind: 'tenant', tenant: group.tenant, asks: member === group.asking })
  }
}

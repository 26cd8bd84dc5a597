import type { Clock, Timer } from '@wazo-websocketd/shared/runtime/clock'
import type { Logger } from 'pino'
import type { ServiceTokenKeeper } from './service-token.js'

/** What a worker hears of the master tenant from its primary. */
export interface TenantShare {
  /** null: not known. */
  readonly tenant: string | null
  /** Whether this worker asks wazo-auth, for all workers of its host. */
  readonly asks: boolean
}

/** Ties the worker to others of its host that have the same source of the master tenant. */
export interface TenantSharing {
  shareTenant(source: string, shared: (share: TenantShare) => void): void
  tellTenant(tenant: string): void
}

export interface MasterTenantOptions {
  readonly keeper: Pick<ServiceTokenKeeper, 'start' | 'stop'>
  readonly sharing: TenantSharing
  /** Equal for workers that get the master tenant from the same place. */
  readonly source: string
  readonly clock: Clock
  readonly logger: Pick<Logger, 'info'>
  /** It has become known, or another one. */
  readonly changed: () => void
  /** Another worker has asked wazo-auth: this one has yet to learn its time. */
  readonly learnTime: () => void
}

/** A primary answers at once. One that has not by then is older than the sharing: each worker asks by itself. */
const ANSWER_MS_MAX = 1_000

/**
 * Knows the master tenant (C4). One worker of a host asks wazo-auth for it and tells the others, through the primary.
 */
export class MasterTenant {
  private readonly options: MasterTenantOptions
  private known: string | undefined
  private answerTimer: Timer | null = null

  constructor(options: MasterTenantOptions) {
    this.options = options
  }

  /** Known once wazo-auth has answered, and from then on whatever becomes of wazo-auth. */
  get uuid(): string | undefined {
    return this.known
  }

  /** What keeps the worker from serving, in words; null when the master tenant is known. */
  notReadyReason(): string | null {
    return this.known === undefined ? 'auth: master tenant not known' : null
  }

  start(): void {
    const { clock, keeper, sharing, source } = this.options
    this.answerTimer = clock.after(ANSWER_MS_MAX, () => keeper.start())
    sharing.shareTenant(source, (share) => this.shared(share))
  }

  stop(): void {
    this.answerTimer?.cancel()
    this.options.keeper.stop()
  }

  /** wazo-auth has told it to this worker. */
  readonly learned = (uuid: string): void => {
    this.learn(uuid)
    this.options.sharing.tellTenant(uuid)
  }

  private shared({ tenant, asks }: TenantShare): void {
    const { keeper, learnTime } = this.options
    this.answerTimer?.cancel()
    if (asks) keeper.start()
    else keeper.stop()
    if (tenant === null) return
    if (!asks && this.known === undefined) learnTime()
    this.learn(tenant)
  }

  private learn(uuid: string): void {
    if (this.known === uuid) return
    this.known = uuid
    this.options.logger.info({ masterTenant: uuid }, 'master tenant known')
    this.options.changed()
  }
}

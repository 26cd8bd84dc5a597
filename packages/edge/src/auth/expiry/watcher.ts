import type { TokenDetails } from '@wazo-websocketd/shared/domain/identity'
import type { Clock } from '@wazo-websocketd/shared/runtime/clock'
import { hashToken, type TokenHash } from '@wazo-websocketd/shared/runtime/token-hash'
import type { TokenHolder, TokenWatch } from '../../session/ports.js'
import type { ExpiryJob } from './job.js'
import type { AuthMetrics } from '../metrics.js'
import type { ExpiryNotice } from './notice.js'
import { TimerWheel } from './timer-wheel.js'
import { FIRST_JOB, WatchedToken, type JobDelay, type WatchContext } from './watched-token.js'

export interface TokenWatcherOptions extends Omit<WatchContext, 'wheel' | 'random' | 'firstJob' | 'ended'> {
  readonly clock: Clock
  readonly metrics: Pick<AuthMetrics, 'tracked'>
  readonly random?: () => number
  readonly firstJob?: JobDelay
}

/**
 * Watches the live tokens of a worker: each is checked by the rule and ends at its expiry, whatever becomes of Redis
 * and wazo-auth.
 */
export class TokenWatcher implements TokenWatch {
  private readonly context: WatchContext
  private readonly metrics: Pick<AuthMetrics, 'tracked'>
  private readonly tokens = new Map<TokenHash, WatchedToken>()

  constructor({ clock, metrics, ...options }: TokenWatcherOptions) {
    const wheel = new TimerWheel({ clock, now: options.authTime })
    const ended = (hash: TokenHash) => this.remove(hash)
    this.context = { random: Math.random, firstJob: FIRST_JOB, ...options, wheel, ended }
    this.metrics = metrics
  }

  watch(details: TokenDetails, holder: TokenHolder): { stop(): void } {
    const hash = hashToken(details.token)
    const watched = this.tokens.get(hash) ?? this.add(hash, details)
    return watched.hold(details, holder)
  }

  /** What the queue has told the cluster; tokens that nobody holds here are nobody's concern. */
  handleNotice({ kind, hash }: ExpiryNotice): void {
    const watched = this.tokens.get(hash)
    if (kind === 'expired') watched?.expired()
    else watched?.recheck('queue')
  }

  /** The jobs that the queue has to have for the tokens of this worker. */
  *jobs(): Generator<ExpiryJob> {
    for (const { pendingJob } of this.tokens.values()) if (pendingJob !== null) yield pendingJob
  }

  /** Ends all watching without a word. */
  stop(): void {
    for (const watched of this.tokens.values()) watched.stop()
  }

  private remove(hash: TokenHash): void {
    this.tokens.delete(hash)
    this.metrics.tracked(this.tokens.size)
  }

  private add(hash: TokenHash, details: TokenDetails): WatchedToken {
    const watched = new WatchedToken(this.context, hash, details)
    this.tokens.set(hash, watched)
    this.metrics.tracked(this.tokens.size)
    return watched
  }
}

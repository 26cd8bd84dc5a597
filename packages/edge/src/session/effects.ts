import type { Close } from '@wazo-websocketd/shared/domain/close'
import type { TokenDetails, TokenId } from '@wazo-websocketd/shared/domain/identity'
import type { ServerMessage } from '@wazo-websocketd/shared/domain/protocol'
import type { CountedOp, OpResult } from './metrics.js'

/** What the core of a session asks of its connection, in this order. */
export type Effect =
  | { readonly kind: 'send'; readonly message: ServerMessage }
  | { readonly kind: 'close'; readonly close: Close }
  /** The subscription to `name` began (1) or ended (-1). */
  | { readonly kind: 'subscription'; readonly name: string; readonly change: 1 | -1 }
  /** Become live on the bus; answered with `live`. */
  | { readonly kind: 'start' }
  /** Tell the client that the session has started, and from where on. */
  | { readonly kind: 'started' }
  /** Ask wazo-auth about the new token; answered with `renewal`. */
  | { readonly kind: 'renew'; readonly token: TokenId }
  /** Replace identity, ACL and token at once; answered with `adopted` when live for the new identity. */
  | { readonly kind: 'adopt'; readonly details: TokenDetails }
  /** Deliver nothing from here on, until `adopt`. */
  | { readonly kind: 'suspend' }
  /** Stop and resume reading from the client. */
  | { readonly kind: 'pause' }
  | { readonly kind: 'resume' }
  /** Call `tick` after so many milliseconds. */
  | { readonly kind: 'wait'; readonly delay: number }
  /** Count one op. */
  | { readonly kind: 'op'; readonly op: CountedOp; readonly result: OpResult }

const NONE: readonly Effect[] = []

/** Performs effects in order; those that one of them brings about follow the ones already queued. */
export class EffectQueue {
  /** The connection itself, not a function: a closure for each session would cost memory. */
  private readonly performer: { perform(effect: Effect): void }
  private waiting: readonly Effect[] = NONE
  private busy = false

  constructor(performer: { perform(effect: Effect): void }) {
    this.performer = performer
  }

  run(effects: readonly Effect[]): void {
    if (effects.length === 0) return
    if (this.busy) {
      this.waiting = this.waiting.concat(effects)
      return
    }
    this.busy = true
    for (let next = effects; next.length > 0;) {
      for (const effect of next) this.performer.perform(effect)
      next = this.waiting
      this.waiting = NONE
    }
    this.busy = false
  }
}

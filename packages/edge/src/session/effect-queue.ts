import type { Effect } from './session.js'

/** Who carries effects out. */
export interface EffectPerformer {
  perform(effect: Effect): void
}

const NOTHING: readonly Effect[] = []

/** Has effects carried out in order; those that one of them brings about come after the ones already there. */
export class EffectQueue {
  private readonly performer: EffectPerformer
  private waiting: readonly Effect[] = NOTHING
  private busy = false

  constructor(performer: EffectPerformer) {
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
      this.waiting = NOTHING
    }
    this.busy = false
  }
}

import type { Effect } from './session.js'

/** Carries out effects in order; those that one of them brings about come after the ones already there. */
export class EffectQueue {
  private readonly carryOut: (effect: Effect) => void
  private waiting: Effect[] = []
  private busy = false

  constructor(carryOut: (effect: Effect) => void) {
    this.carryOut = carryOut
  }

  run(effects: readonly Effect[]): void {
    if (effects.length === 0) return
    if (this.busy) {
      this.waiting.push(...effects)
      return
    }
    this.busy = true
    for (let next = effects; next.length > 0;) {
      for (const effect of next) this.carryOut(effect)
      next = this.waiting
      this.waiting = []
    }
    this.busy = false
  }
}

import type { Phase } from './history.js'

/** The phase in which delivery number `i` came; undefined before the first. */
export function phaseOfDelivery(phases: readonly Phase[], i: number): Phase | undefined {
  return phases.findLast(({ from }) => from <= i)
}

/**
 * The phases in which an event might have come that belongs between deliveries `i - 1` and `i`: between two
 * deliveries a phase can end and others begin. null stands for the time before the first one.
 */
export function phasesOfGap(phases: readonly Phase[], i: number): (Phase | null)[] {
  const during: (Phase | null)[] = (phases[0]?.from ?? Infinity) >= i ? [null] : []
  for (const [k, phase] of phases.entries())
    if (phase.from <= i && (phases[k + 1]?.from ?? Infinity) >= i) during.push(phase)
  return during
}

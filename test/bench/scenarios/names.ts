/** In the order in which they run. */
export const SCENARIOS = [
  'deliveries',
  'ladder',
  'crowded',
  'scaling',
  'memory',
  'storm',
  'ingest',
  'expiry',
] as const

export type ScenarioName = (typeof SCENARIOS)[number]

/** What a run tells of itself, in words. */
import type { EpisodeOptions } from './episode.js'
import { runEpisode } from './episode.js'

/** Lines that are no part of what went wrong. */
const USUAL = /dropped a message of the bus|handshakes refused/

/** Runs once more and prints who did what, and when: faults, and what the programs logged. */
export async function tellStory(options: EpisodeOptions, print: (line: string) => void): Promise<void> {
  await runEpisode({
    ...options,
    tell: (at, line) => {
      if (!USUAL.test(line)) print(`  ${(at / 1000).toFixed(3).padStart(8)} s  ${readable(line)}`)
    },
  })
}

/** A line of JSON of a program's log as text. */
function readable(line: string): string {
  const at = line.indexOf('{')
  if (at === -1) return line
  const { msg, ...fields } = JSON.parse(line.slice(at)) as Record<string, unknown>
  const rest = Object.entries(fields)
    .filter(([name]) => name !== 'level')
    .map(([name, value]) => `${name} ${JSON.stringify(value)}`)
  return `${line.slice(0, at)}${String(msg)}${rest.length > 0 ? ` (${rest.join(', ')})` : ''}`
}

import { parseJson } from '@wazo-websocketd/shared/domain/guards'
import { endingOf } from './close-status.js'
import type { TailOptions } from './command-line.js'
import type { End } from './conversation.js'
import type { Figures } from './figures.js'
import { passes } from './filter.js'
import { printed } from './printer.js'

export interface ViewerOptions extends Pick<TailOptions, 'style' | 'filters' | 'count' | 'quiet'> {
  readonly host: string
  readonly figures: Figures
  /** To standard output. */
  readonly write: (text: string) => void
  /** A line for standard error. */
  readonly say: (line: string) => void
  /** As many events are printed as were asked for. */
  readonly enough: () => void
}

/** Shows someone the events, and what becomes of the connection. */
export class Viewer {
  private readonly options: ViewerOptions
  private left: number

  constructor(options: ViewerOptions) {
    this.options = options
    this.left = options.count
  }

  event(body: string): void {
    const { figures, filters, style, write, enough } = this.options
    if (this.left === 0) return
    const parsed = parseJson(body)
    figures.event(parsed)
    if (!filters.every((filter) => passes(filter, parsed))) {
      figures.filteredOut++
      return
    }
    write(printed(style, body, parsed))
    if (--this.left === 0) enough()
  }

  /** @param resumed null: the first session; true: nothing is missing; otherwise why something may be */
  started(resumed: null | true | string): void {
    const { figures, host, say } = this.options
    if (resumed === null) {
      this.note(`connected to ${host}`)
      return
    }
    figures.reconnects++
    if (resumed === true) {
      this.note('connected again; nothing is missing')
      return
    }
    figures.gaps++
    say(`gap: events may be missing (${resumed})`)
  }

  retrying(end: End, inMs: number): void {
    this.note(`${described(end)}; connecting again in ${(inMs / 1000).toFixed(1)} s`)
  }

  /** @param unwanted the last session ended by itself */
  ended(end: End, unwanted: boolean): void {
    for (const line of this.options.figures.lines()) this.note(line)
    if (unwanted) this.options.say(`ended: ${described(end)}`)
  }

  /** What `--quiet` leaves out. */
  note(line: string): void {
    if (!this.options.quiet) this.options.say(line)
  }
}

function described({ code, reason }: End): string {
  return `${code} ${reason === '' ? endingOf(code).meaning : reason}`
}

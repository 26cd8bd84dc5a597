/**
 * `node --import .../timer-count.mjs`, also by NODE_OPTIONS: a process that can be asked what it holds.
 *
 * Counts the live timers, with those that keep nothing alive (`unref`), which Node itself tells nobody about, and
 * the sockets that are in memory.
 * Who asks writes a word to the file `ask` in the directory that WAZO_TIMER_COUNTS names; each process answers
 * with a file of its own there, `<pid>.json`, after it has collected its garbage. SIGUSR2 makes it leak a timer.
 */
import { createHook } from 'node:async_hooks'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { queryObjects, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

const LOOK_EVERY_MS = 200
const FRAMES_MAX = 12
const LEAK_MS = 3_600_000
const TIMERS = new Set(['Timeout', 'Immediate'])

/** @type {Map<number, { stack?: string }>} where each live timer was made, by its id */
const live = new Map()
/** While this module makes a timer of its own. */
let aside = false

/** @param {string} directory */
function answerIn(directory) {
  setFlagsFromString('--expose-gc')
  const collect = /** @type {() => void} */ (runInNewContext('gc'))
  let answered = ''
  // Made before timers are counted.
  setInterval(() => {
    const asked = read(join(directory, 'ask'))
    if (asked === answered) return
    answered = asked
    collect()
    // Node tells of the end of the timers that have just run by then.
    nextTurn(() =>
      nextTurn(() => {
        const file = join(directory, `${process.pid}.json`)
        writeFileSync(`${file}.new`, JSON.stringify({ asked, ...counts() }))
        renameSync(`${file}.new`, file)
      }),
    )
  }, LOOK_EVERY_MS).unref()
}

/** @param {() => void} task */
function nextTurn(task) {
  aside = true
  setImmediate(task)
  aside = false
}

function counts() {
  const { heapUsed, rss } = process.memoryUsage()
  return {
    timers: live.size,
    places: tally([...live.values()].map(place)),
    resources: tally(process.getActiveResourcesInfo()),
    // Also closed ones that somebody still holds on to.
    sockets: queryObjects(Socket),
    heapUsed,
    rss,
  }
}

function countTimers() {
  createHook({
    init(id, type) {
      if (!aside && TIMERS.has(type)) live.set(id, here())
    },
    destroy(id) {
      live.delete(id)
    },
  }).enable()
}

/** The stack is not made into text before somebody asks for it. */
function here() {
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = FRAMES_MAX
  /** @type {{ stack?: string }} */
  const at = {}
  Error.captureStackTrace(at, here)
  Error.stackTraceLimit = limit
  return at
}

/** Who made it: the innermost frames outside of Node, or inside where there are none. @param {{ stack?: string }} at */
function place({ stack = '' }) {
  const frames = stack.split('\n').map((frame) => frame.trim())
  const isTimers = (/** @type {string} */ frame) => /node:(internal\/)?timers:/.test(frame)
  const inTimers = frames.slice(frames.findIndex(isTimers))
  const makers = inTimers.slice(inTimers.findIndex((frame) => !isTimers(frame)))
  const ours = makers.filter((frame) => !frame.includes('node:'))
  return (ours.length > 0 ? ours : makers).slice(0, 2).join(' < ')
}

/** @param {readonly string[]} names @returns {Record<string, number>} */
function tally(names) {
  /** @type {Map<string, number>} */
  const times = new Map()
  for (const name of names) times.set(name, (times.get(name) ?? 0) + 1)
  return Object.fromEntries([...times].sort())
}

/** @param {string} file */
function read(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

const directory = process.env.WAZO_TIMER_COUNTS
if (directory !== undefined) {
  answerIn(directory)
  process.on('SIGUSR2', () => void setInterval(() => {}, LEAK_MS).unref())
  countTimers()
}

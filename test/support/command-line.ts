/** Reads the command lines of bench, chaos and fuzz, and runs them. */
import { parseArgs, type ParseArgsConfig } from 'node:util'

const USAGE_STATUS = 2
const MINUTES_MAX = 1440
const SEED_MAX = 2 ** 32 - 1

/** A wrong option; the message is the one line to show. */
export class UsageError extends Error {}

/** A program that `npm run` starts. */
export interface NpmProgram<Options extends { readonly help: boolean }> {
  readonly usage: string
  /** Throws UsageError. */
  readonly readOptions: (args: readonly string[]) => Options
  /** Resolves with the exit status. */
  readonly run: (options: Options) => Promise<number>
}

/** Runs the program with the arguments of this process, and ends it. */
export async function runProgram<Options extends { readonly help: boolean }>(
  program: NpmProgram<Options>,
): Promise<never> {
  process.exit(await statusOf(program, process.argv.slice(2)))
}

async function statusOf<Options extends { readonly help: boolean }>(
  { usage, readOptions, run }: NpmProgram<Options>,
  args: readonly string[],
): Promise<number> {
  try {
    const options = readOptions(args)
    if (!options.help) return await run(options)
    console.log(usage)
    return 0
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    console.error(error.message)
    return USAGE_STATUS
  }
}

/**
 * The values of `args` for `npm run COMMAND`.
 * @throws UsageError for an option that `options` does not have.
 */
export function parseOptions<const Options extends NonNullable<ParseArgsConfig['options']>>(
  command: string,
  args: readonly string[],
  options: Options,
) {
  try {
    return parseArgs({ args: [...args], options }).values
  } catch (error) {
    const [what = ''] = error instanceof Error ? error.message.split(/\. |\n/, 1) : []
    throw new UsageError(`${what} (see npm run ${command} -- --help)`)
  }
}

/** The number in `--seed`; null where it is not given. */
export function seedOf(text: string | undefined): number | null {
  if (text === undefined) return null
  const seed = /^\d{1,10}$/.test(text) ? Number(text) : NaN
  if (seed <= SEED_MAX) return seed
  throw new UsageError(`--seed needs a whole number from 0 to ${SEED_MAX}, not "${text}"`)
}

/** The number in `--minutes`. */
export function minutesOf(text: string): number {
  const minutes = /^\d{1,4}(\.\d{1,3})?$/.test(text) ? Number(text) : NaN
  if (minutes > 0 && minutes <= MINUTES_MAX) return minutes
  throw new UsageError(`--minutes needs a number above 0 and up to ${MINUTES_MAX}, not "${text}"`)
}

/**
 * The names in a list with commas, each once.
 * @param unknown says what is wrong with a name that is not in `known`
 */
export function namesOf<Name extends string>(
  text: string,
  known: readonly Name[],
  unknown: (name: string) => string,
): Name[] {
  const names = text.split(',').filter((name) => name !== '')
  const strange = names.find((name) => !(known as readonly string[]).includes(name))
  if (strange !== undefined || names.length === 0) throw new UsageError(unknown(strange ?? ''))
  return [...new Set(names as Name[])]
}

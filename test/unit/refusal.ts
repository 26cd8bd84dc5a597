import { expect } from 'chai'
import { UsageError } from '../support/command-line.js'

/** The one line with which `readOptions` refuses `args`. */
export function refusalBy(
  readOptions: (args: readonly string[]) => unknown,
  args: readonly string[],
): string {
  try {
    readOptions(args)
  } catch (error) {
    expect(error).to.be.instanceOf(UsageError)
    return (error as Error).message
  }
  throw new Error(`${args.join(' ')} was accepted`)
}

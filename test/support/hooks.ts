/** Root hooks: a test in which no assertion of chai ran has shown nothing, and fails. */
import { Assertion, config } from 'chai'
import type { RootHookObject } from 'mocha'

type CallBack = (error?: unknown) => void
/** A test's function; with a parameter it calls back, else it returns or resolves. */
export type TestBody = (this: Mocha.Context, done: CallBack) => unknown

const prototype = Assertion.prototype as { assert: (this: unknown, ...args: unknown[]) => void }
const { assert } = prototype
// A failure names whole verdicts.
config.truncateThreshold = 300
let assertions = 0

prototype.assert = function (...args) {
  assertions++
  assert.apply(this, args)
}

/** The same test, which fails when it would have passed without an assertion. */
export function checked(test: TestBody): TestBody {
  return test.length > 0 ? checkedCallBack(test) : checkedResult(test)
}

function checkedCallBack(test: TestBody): TestBody {
  return function (done) {
    assertions = 0
    test.call(this, (error) => {
      done(error ?? missing())
    })
  }
}

function checkedResult(test: TestBody): TestBody {
  // Mocha reads the number of parameters: there must be none.
  return function (this: Mocha.Context) {
    assertions = 0
    const result = (test as (this: Mocha.Context) => unknown).call(this)
    if (isPromise(result)) return result.then(check)
    check()
    return undefined
  }
}

function missing(): Error | undefined {
  return assertions > 0 ? undefined : new Error('no assertion ran in this test: it could not have failed')
}

function check(): void {
  const error = missing()
  if (error !== undefined) throw error
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value
}

export const mochaHooks: RootHookObject = {
  beforeEach(this: Mocha.Context) {
    const test = this.currentTest
    if (test?.fn) test.fn = checked(test.fn as TestBody) as NonNullable<typeof test.fn>
  },
}

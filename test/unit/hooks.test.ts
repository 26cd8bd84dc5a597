import { expect } from 'chai'
import { checked } from '../support/hooks.js'

const context: Mocha.Context = Object.create(null) as Mocha.Context
const MISSING = /no assertion ran/

function run(test: () => unknown): unknown {
  return (checked(test) as (this: Mocha.Context) => unknown).call(context)
}

function runWithCallback(test: (done: (error?: unknown) => void) => void): Promise<unknown> {
  return new Promise((resolve) => checked(test).call(context, resolve))
}

async function failure(result: unknown): Promise<unknown> {
  try {
    return await result
  } catch (error) {
    return error
  }
}

describe('a test without an assertion', () => {
  it('fails when it returns', () => {
    expect(() => run(() => {})).to.throw(MISSING)
  })

  it('fails when its promise resolves', async () => {
    const error = await failure(run(() => Promise.resolve()))
    expect(String(error)).to.match(MISSING)
  })

  it('fails when it calls back', async () => {
    const error = await runWithCallback((done) => done())
    expect(String(error)).to.match(MISSING)
  })
})

describe('a test with an assertion', () => {
  it('passes when it returns, resolves or calls back', async () => {
    const outcomes = [
      run(() => void expect(1).to.equal(1)),
      await failure(run(() => Promise.resolve().then(() => void expect(1).to.equal(1)))),
      await runWithCallback((done) => {
        expect([1]).to.have.lengthOf(1)
        done()
      }),
    ]
    expect(outcomes).to.deep.equal([undefined, undefined, undefined])
  })

  it('still fails by itself', async () => {
    const own = new Error('its own')
    expect(await failure(run(() => Promise.reject(own)))).to.equal(own)
    expect(await runWithCallback((done) => done(own))).to.equal(own)
  })
})

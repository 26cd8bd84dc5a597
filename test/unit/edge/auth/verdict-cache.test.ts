import { CACHE_TTL_MS, VerdictCache } from '@wazo-websocketd/edge/auth/verdict-cache'
import type { TokenId, Verdict } from '@wazo-websocketd/shared/domain/identity'
import { expect } from 'chai'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { FakeClock, settle } from '../../../support/fakes/clock.js'
import { details } from '../../../support/fakes/tokens.js'

describe('remembered answers of wazo-auth', () => {
  it('do not stay in memory when nobody asks for them again', async () => {
    setFlagsFromString('--expose-gc')
    const collectGarbage = runInNewContext('gc') as () => void
    const clock = new FakeClock()
    const cache = new VerdictCache(clock, () => clock.now())
    const valid = (token: string): Verdict => ({
      kind: 'valid',
      details: details(token, { expiresAt: clock.now() + 3_600_000 }),
    })
    /** Remembers an answer and keeps only a weak hold of it. */
    const remember = (token: string) => {
      const verdict = valid(token)
      cache.set(token as TokenId, verdict)
      return new WeakRef(verdict)
    }
    const old = remember('old')
    await clock.pass(CACHE_TTL_MS / 2)
    const younger = remember('younger')
    await clock.pass(CACHE_TTL_MS / 2 + 1)
    await settle()
    collectGarbage()
    expect(old.deref()).to.equal(undefined)
    expect(younger.deref()).not.to.equal(undefined)
    await clock.pass(2 * CACHE_TTL_MS)
    await settle()
    collectGarbage()
    expect(younger.deref()).to.equal(undefined)
    expect(clock.pending).to.equal(0)
  })
})

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { LoginError } from '@wazo-websocketd/edge/client/login'
import { FixedToken, LoginTokens, TokenFile } from '@wazo-websocketd/edge/client/token-source'
import { expect } from 'chai'
import { temporaryDirectory } from '../../../support/guard.mjs'
import { waitFor } from '../../../support/wait.mjs'

describe('A source of tokens', () => {
  it('that is one token has no other', async () => {
    const source = new FixedToken('t')
    expect([await source.current(), await source.another()]).to.deep.equal(['t', null])
  })

  it('that is a file has another one when the file has', async () => {
    const path = join(await temporaryDirectory('token-source'), 'token')
    const source = new TokenFile(path)
    const failure = await source.current().catch((error: unknown) => error)
    expect(failure).to.be.instanceOf(LoginError).with.property('message', `${path}: no such file`)
    await writeFile(path, ' one\n')
    expect(await source.current()).to.equal('one')
    expect(await source.another()).to.equal(null)
    await writeFile(path, 'two')
    expect(await source.another()).to.equal('two')
    for (const odd of ['one\ntwo', 'caf\u00e9', '\u0000']) {
      await writeFile(path, odd)
      expect(await source.current().catch(String))
        .to.contain('more than a token')
        .and.not.contain(odd)
    }
    await writeFile(path, '\n')
    expect(await source.another().catch(String)).to.contain('has no token')
  })

  it('that logs in does so once, again when asked, and by itself before the end of a token', async () => {
    let logins = 0
    const failures: string[] = []
    const logIn = () => {
      logins++
      return logins === 2
        ? Promise.reject(new LoginError('down', true))
        : Promise.resolve({ token: `t${logins}`, lifeMs: 40 })
    }
    const source = new LoginTokens(logIn, (message) => failures.push(message), 5)
    const renewed: string[] = []
    source.keepFresh((token) => renewed.push(token))
    expect([await source.current(), await source.current()]).to.deep.equal(['t1', 't1'])
    await waitFor(() => renewed.length >= 2, { what: 'two renewals' })
    expect(renewed.slice(0, 2)).to.deep.equal(['t3', 't4'])
    expect(failures).to.deep.equal(['down'])
    expect(await source.current()).to.equal(renewed.at(-1))
    source.stop()
    const before = logins
    expect(await source.another()).to.equal(`t${before + 1}`)
    source.stop()
  })
})

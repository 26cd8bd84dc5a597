import { connectionName, parseConnectionName } from '@wazo-websocketd/shared/redis/client-name'
import { expect } from 'chai'

describe('the name of a connection at Redis', () => {
  it('tells role and version, also of the twins that BullMQ makes', () => {
    const name = connectionName('expiry-worker', '1.2.3-rc.1')
    expect(parseConnectionName(name)).to.deep.equal({ role: 'expiry-worker', version: '1.2.3-rc.1' })
    expect(parseConnectionName(`${name}:w`)).to.deep.include({ role: 'expiry-worker' })
  })

  for (const name of [
    '',
    'wazo-websocketd-commands',
    'other@1',
    'wazo-websocketd-@1',
    'x wazo-websocketd-a@1',
  ])
    it(`${JSON.stringify(name)} is of another program, or of a version that does not tell`, () => {
      expect(parseConnectionName(name)).to.equal(null)
    })
})

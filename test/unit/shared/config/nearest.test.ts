import { nearest } from '@wazo-websocketd/shared/config/nearest'
import { expect } from 'chai'

describe('the guess at a misspelt key', () => {
  const keys = ['listen', 'port', 'ping_interval', 'certificate']

  it('finds a key that is two letters away', () => {
    expect(nearest('pign_interval', keys)).to.equal('ping_interval')
    expect(nearest('lisen', keys)).to.equal('listen')
  })

  it('finds none where nothing is near', () => {
    expect(nearest('banana', keys)).to.equal(null)
    expect(nearest('', keys)).to.equal(null)
  })

  it('prefers the nearest', () => {
    expect(nearest('hosts', ['ports', 'host'])).to.equal('host')
  })
})

import { isOwnAddress, type AddressSystem } from '@wazo-websocketd/shared/runtime/machine-addresses'
import { expect } from 'chai'

const fails = (): never => {
  throw new Error('not permitted')
}
const machine: AddressSystem = {
  interfaces: () => ['127.0.0.1', '::1', '192.0.2.7', 'fe80::1'],
  lookUp: (name) =>
    name === 'here' ? ['198.51.100.1', '192.0.2.7'] : name === 'there' ? ['198.51.100.1'] : [],
  takesForeign: () => false,
}

describe('the addresses of the machine', () => {
  for (const own of ['0.0.0.0', '::', '127.0.0.1', '127.9.9.9', '::1', '192.0.2.7', 'fe80::1%eth0', 'here'])
    it(`have ${own}`, () => expect(isOwnAddress(own, machine)).to.equal(true))

  for (const foreign of ['192.0.2.8', '2001:db8::1', 'there', 'nowhere'])
    it(`do not have ${foreign}`, () => expect(isOwnAddress(foreign, machine)).to.equal(false))

  it('may be any where the system takes foreign ones, or does not say which there are', () => {
    expect(isOwnAddress('192.0.2.8', { ...machine, takesForeign: () => true })).to.equal(true)
    expect(isOwnAddress('192.0.2.8', { ...machine, interfaces: fails })).to.equal(true)
    expect(isOwnAddress('nowhere', { ...machine, lookUp: fails })).to.equal(true)
    expect(isOwnAddress('192.0.2.8', { ...machine, takesForeign: fails })).to.equal(false)
  })

  it('are those of this system when nothing else is said', () => {
    expect(isOwnAddress('localhost')).to.equal(true)
    expect(isOwnAddress('203.0.113.77')).to.equal(false)
  })
})

import { expect } from 'chai'
import { NetworkList, parseNetwork } from '@wazo-websocketd/shared/runtime/network'

describe('parseNetwork', () => {
  it('takes an address for the network of this address alone', () => {
    expect(parseNetwork('192.0.2.1')).to.deep.equal({ address: '192.0.2.1', family: 'ipv4', bits: 32 })
    expect(parseNetwork('::1')).to.deep.equal({ address: '::1', family: 'ipv6', bits: 128 })
  })

  it('takes a network', () => {
    expect(parseNetwork('10.0.0.0/8')).to.deep.equal({ address: '10.0.0.0', family: 'ipv4', bits: 8 })
    expect(parseNetwork('fd00::/0')).to.deep.equal({ address: 'fd00::', family: 'ipv6', bits: 0 })
  })

  for (const entry of [
    '',
    'notanip',
    'example.org',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/',
    '10.0.0.0/x',
    '10.0.0.0/8/8',
  ])
    it(`refuses ${JSON.stringify(entry)}`, () => {
      expect(parseNetwork(entry)).to.equal(null)
    })
})

describe('NetworkList', () => {
  const list = new NetworkList(['10.0.0.0/8', '192.0.2.1', 'fd00::/8'].map((entry) => parseNetwork(entry)!))

  for (const [address, listed] of [
    ['10.255.0.1', true],
    ['11.0.0.1', false],
    ['192.0.2.1', true],
    ['192.0.2.2', false],
    ['fd12::1', true],
    ['fe80::1', false],
    ['', false],
    ['10.0.0', false],
  ] as const)
    it(`${listed ? 'has' : 'does not have'} ${JSON.stringify(address)}`, () => {
      expect(list.has(address)).to.equal(listed)
    })
})

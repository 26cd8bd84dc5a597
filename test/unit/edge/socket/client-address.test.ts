import { expect } from 'chai'
import { ClientAddress } from '@wazo-websocketd/edge/socket/client-address'

describe('ClientAddress', () => {
  const addresses = new ClientAddress(['127.0.0.1', '10.0.0.0/8', 'fd00::/8', '::1'])

  for (const [peer, forwarded, address] of [
    ['192.0.2.1', undefined, '192.0.2.1'],
    ['192.0.2.1', '198.51.100.7', '192.0.2.1'],
    ['127.0.0.1', undefined, '127.0.0.1'],
    ['127.0.0.1', '198.51.100.7', '198.51.100.7'],
    ['::ffff:127.0.0.1', '198.51.100.7', '198.51.100.7'],
    ['::1', '2001:db8::1', '2001:db8::1'],
    ['fd00::5', '198.51.100.7, 10.1.2.3', '198.51.100.7'],
    ['127.0.0.1', '203.0.113.9, 198.51.100.7', '198.51.100.7'],
    ['127.0.0.1', '203.0.113.9, 198.51.100.7, 10.0.0.1', '198.51.100.7'],
    ['127.0.0.1', 'nonsense', '127.0.0.1'],
    ['127.0.0.1', '198.51.100.7, unknown, 10.0.0.1', '10.0.0.1'],
    ['127.0.0.1', '\t198.51\u0007.100.7\r\n', '198.51.100.7'],
    ['127.0.0.1', '', '127.0.0.1'],
    [undefined, '198.51.100.7', ''],
  ] as const)
    it(`takes ${String(peer)} with ${JSON.stringify(forwarded)} for ${address}`, () => {
      expect(addresses.of(peer, forwarded)).to.equal(address)
    })

  it('looks at a bounded number of hops', () => {
    expect(addresses.of('127.0.0.1', `198.51.100.7,${Array(20).fill('10.0.0.1').join(',')}`)).to.equal(
      '10.0.0.1',
    )
  })

  for (const entry of ['proxy', '10.0.0.0/33', '10.0.0.0/x', '10.0.0/8', ''])
    it(`refuses the proxy ${JSON.stringify(entry)} in one line`, () => {
      expect(() => new ClientAddress([entry])).to.throw(
        `websocket.trusted_proxies: ${JSON.stringify(entry)} is not an address or network`,
      )
    })
})

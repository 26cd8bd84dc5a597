import { expect } from 'chai'
import { OriginPolicy } from '@wazo-websocketd/edge/socket/origin'

describe('OriginPolicy', () => {
  it('permits any origin without an allow-list', () => {
    expect(new OriginPolicy(null).permits('https://evil.example')).to.equal(true)
  })

  const policy = new OriginPolicy(['https://Example.org', 'http://localhost:8080/'])

  for (const origin of [undefined, 'https://example.org', 'HTTPS://EXAMPLE.ORG', 'http://localhost:8080'])
    it(`permits ${String(origin)} by the list`, () => {
      expect(policy.permits(origin)).to.equal(true)
    })

  for (const origin of [
    '',
    'null',
    'http://example.org',
    'https://example.org.evil.example',
    'https://example.org:444',
  ])
    it(`forbids ${JSON.stringify(origin)} by the list`, () => {
      expect(policy.permits(origin)).to.equal(false)
    })

  it('permits no browser by an empty list', () => {
    expect(new OriginPolicy([]).permits('https://example.org')).to.equal(false)
  })
})

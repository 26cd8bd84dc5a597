import { scrub } from '@wazo-websocketd/shared/runtime/scrub'
import { expect } from 'chai'
import fc from 'fast-check'

const CANARY = 'c4n4ry-0000-4000-8000-t0k3n'

describe('a line of the log', () => {
  const carriers: readonly (readonly [string, string])[] = [
    ['the query of a url', `GET /?token=${CANARY}&version=2`],
    ['a later parameter', `/api/websocketd/?version=2&token=${CANARY}`],
    ['a url inside a url', `/login?next=%2F%3Ftoken%3D${CANARY}%26x`],
    ["wazo-auth's resource", `http://localhost/api/auth/0.1/token/${CANARY}?scope=websocketd`],
    ['a JSON field', JSON.stringify({ token: CANARY })],
    ['a JSON field deep down', JSON.stringify({ a: [{ headers: { 'X-Auth-Token': CANARY } }] })],
    ['JSON inside JSON', JSON.stringify({ msg: JSON.stringify({ data: { token: CANARY } }) })],
    [
      'JSON inside JSON inside JSON',
      JSON.stringify({ m: JSON.stringify({ m: JSON.stringify({ token: CANARY }) }) }),
    ],
    ['a raw header', `X-Auth-Token: ${CANARY}`],
    ['an authorization', `Authorization: Basic ${CANARY}`],
    ['an address with a password', `amqp://user:${CANARY}@host:5672/%2F`],
    ['a password field', JSON.stringify({ password: CANARY, service_key: CANARY })],
    ['a password with quotes', JSON.stringify({ password: `a"\\${CANARY}` })],
  ]
  for (const [name, line] of carriers)
    it(`loses the secret in ${name}`, () => {
      expect(line).to.include(CANARY)
      expect(scrub(line)).to.not.include(CANARY)
    })

  it('keeps what is no secret', () => {
    const line = JSON.stringify({
      msg: 'token expired',
      tokenTag: 'ba7816bf',
      url: 'redis://127.0.0.1:6379',
      port: 1,
    })
    expect(scrub(line)).to.equal(line)
  })

  it('remains JSON whatever the secret', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (secret, other) => {
        const scrubbed = JSON.parse(
          scrub(JSON.stringify({ token: secret, deep: { password: secret }, other })),
        ) as object
        expect(scrubbed).to.have.keys('token', 'deep', 'other')
        expect(scrubbed).to.have.property('token', '********')
      }),
    )
  })
})

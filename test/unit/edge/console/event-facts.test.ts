import { expect } from 'chai'

const { factsOf, inBytes, shortened } = (await import(
  new URL('../../../../packages/edge/console/event-facts.js', import.meta.url).href
)) as {
  factsOf: (text: string) => { tenant: string; users: string[]; acl: string; snippet: string }
  inBytes: (bytes: number) => string
  shortened: (uuid: string) => string
}

describe("The console's facts about an event", () => {
  it('are whose it is, which right it takes, and its content', () => {
    const body = {
      tenant_uuid: 't',
      'user_uuid:a': true,
      'user_uuid:b': false,
      required_acl: 'x.y',
      data: { n: 1 },
    }
    expect(factsOf(JSON.stringify(body))).to.deep.equal({
      tenant: 't',
      users: ['a'],
      acl: 'x.y',
      snippet: '{"n":1}',
    })
  })

  it('tell an event for all users, and one that takes no right', () => {
    const { users, acl } = factsOf('{"user_uuid:*":true,"user_uuid:a":true,"required_acl":null}')
    expect([users, acl]).to.deep.equal([['all users'], 'none needed'])
  })

  it('are empty where the body does not say them, whatever it is', () => {
    for (const text of ['{}', '[]', '1', 'null', '{"data":NaN}', '{"tenant_uuid":5,"required_acl":[]}'])
      expect(factsOf(text), text).to.deep.equal({ tenant: '', users: [], acl: '', snippet: text })
  })

  it('cut a long content short', () => {
    expect(factsOf(JSON.stringify({ data: 'x'.repeat(1000) })).snippet).to.have.length(241)
  })

  it('give sizes and uuids in short', () => {
    expect([1023, 1024, 1536 * 1024].map(inBytes)).to.deep.equal(['1023 B', '1.0 KiB', '1.5 MiB'])
    expect([shortened('all users'), shortened('7d2d9a4e-51a6-4f0c-9a5d-0c3a3f6ab004')]).to.deep.equal([
      'all users',
      '7d2d9a4e…',
    ])
  })
})

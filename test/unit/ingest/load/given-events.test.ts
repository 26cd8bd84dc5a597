import { GivenEventError, parseGivenEvents } from '@wazo-websocketd/ingest/load/given-events'
import { expect } from 'chai'

const BODY = { name: 'x', tenant_uuid: 't', required_acl: null, data: { n: 1 } }

describe('Given events', () => {
  it('are a body, a list, or a body a line; all keys but data are headers too', () => {
    const event = { exchange: null, routingKey: '', headers: { ...BODY, data: undefined }, body: BODY }
    for (const text of [
      JSON.stringify(BODY, null, 2),
      JSON.stringify([BODY]),
      ` ${JSON.stringify(BODY)}\n\n`,
    ])
      expect(JSON.stringify(parseGivenEvents(text))).to.equal(JSON.stringify([event]))
    const lines = `${JSON.stringify(BODY)}\n${JSON.stringify(BODY)}\n`
    expect(parseGivenEvents(lines)).to.have.length(2)
    expect(parseGivenEvents(lines)[0]?.headers).not.to.have.property('data')
  })

  it('may have headers, exchange and routing key of their own', () => {
    const given = { exchange: 'xivo', routing_key: 'a.b', headers: { name: 'y' }, body: BODY }
    expect(parseGivenEvents(JSON.stringify(given))).to.deep.equal([
      { exchange: 'xivo', routingKey: 'a.b', headers: { name: 'y' }, body: BODY },
    ])
  })

  for (const [text, message] of [
    ['', 'there is no event'],
    ['[]', 'there is no event'],
    ['[1]', 'event 1 is no JSON object'],
    ['{"name":"x"}\n{"data":{}}', 'event 2 has no name'],
    ['{"name":"x"}\nnot JSON', 'line 2 is not JSON, nor is the whole'],
  ] as const)
    it(`are refused in one line: ${JSON.stringify(text)}`, () => {
      expect(() => parseGivenEvents(text)).to.throw(GivenEventError, message)
    })
})

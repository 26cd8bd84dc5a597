import { readEventFile } from '@wazo-websocketd/edge/ctl/explain/event-file'
import { expect } from 'chai'

const OPTIONS = { origin: null, bodyBytesMax: 1_000 }

describe('an event in a file', () => {
  it('is a message with its headers, or the body alone', () => {
    const body = { name: 'foo', tenant_uuid: 't', required_acl: 'a', origin_uuid: 'o', data: { big: 1 } }
    const alone = readEventFile(JSON.stringify(body), OPTIONS)
    const whole = readEventFile(JSON.stringify({ headers: { 'user_uuid:u': true }, body }), OPTIONS)
    expect(alone).to.have.nested.include({ kind: 'event', 'event.name': 'foo', 'event.requiredAcl': 'a' })
    expect(whole).to.have.deep.nested.property('event.users', ['u'])
  })

  it('may have its body as a text, byte for byte', () => {
    const body = '{"name":"foo","required_acl":null,"n":NaN}'
    expect(readEventFile(JSON.stringify({ headers: {}, body }), OPTIONS)).to.have.property('kind', 'event')
  })

  for (const [text, why] of [
    ['{"name":"foo"}', 'required_acl'],
    ['{"required_acl":null}', 'name'],
    [`{"name":"foo","required_acl":null,"x":"${'x'.repeat(2_000)}"}`, 'event_body_bytes'],
  ] as const)
    it(`says why the ingest drops it: ${why}`, () => {
      const read = readEventFile(text, OPTIONS)
      expect(read.kind === 'dropped' && read.why).to.include(why)
    })

  it('knows one of another Wazo', () => {
    const text = '{"name":"foo","required_acl":null,"origin_uuid":"b"}'
    expect(readEventFile(text, { ...OPTIONS, origin: 'a' })).to.include({ kind: 'dropped', origin: true })
  })

  for (const text of ['', 'x', '[]', '1', 'null'])
    it(`${JSON.stringify(text)} is a clear error`, () => {
      expect(() => readEventFile(text, OPTIONS)).to.throw(/the file of the event/)
    })
})

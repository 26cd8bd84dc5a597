import { expect } from 'chai'
import fc from 'fast-check'
import {
  normalise,
  type BusMessage,
  type Normalised,
  type NormaliseOptions,
} from '@wazo-websocketd/ingest/normalise/normalise'

const OPTIONS: NormaliseOptions = { origin: null, bodyBytesMax: 1024 }
const TENANT = '2c34c282-433e-4bb8-8d56-fec14ff7e1e9'

function message(headers: Record<string, unknown> | undefined, body: string | Buffer = '{}'): BusMessage {
  return { headers, body: Buffer.from(body) }
}

function judge(
  headers: Record<string, unknown> | undefined,
  body: string | Buffer = '{}',
  options: Partial<NormaliseOptions> = {},
): Normalised {
  return normalise(message(headers, body), { ...OPTIONS, ...options })
}

function event(headers: Record<string, unknown> | undefined, body: string | Buffer = '{}') {
  const outcome = judge(headers, body)
  if (outcome.kind !== 'event') throw new Error(`dropped: ${outcome.reason}`)
  return outcome.event
}

/** Reference parser: recursive descent after RFC 8259, and the three words. */
function isPythonJson(text: string): boolean {
  let rest = text
  const take = (pattern: RegExp): boolean => {
    const found = pattern.exec(rest)
    if (found === null) return false
    rest = rest.slice(found[0].length)
    return true
  }
  const blank = (): boolean => take(/^[ \t\n\r]*/)
  // eslint-disable-next-line no-control-regex -- JSON forbids them
  const string = (): boolean => take(/^"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/)
  const series = (close: RegExp, item: () => boolean): boolean => {
    blank()
    if (take(close)) return true
    do if (!item()) return false
    while (take(/^,/))
    return take(close)
  }
  const pair = (): boolean => blank() && string() && blank() && take(/^:/) && value()
  const value = (): boolean => {
    blank()
    const good = take(/^\{/)
      ? series(/^\}/, pair)
      : take(/^\[/)
        ? series(/^\]/, value)
        : string() ||
          take(/^(?:NaN|-?Infinity|null|true|false)/) ||
          take(/^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/)
    return good && blank()
  }
  return value() && rest === ''
}

function reason(...args: Parameters<typeof judge>): string {
  const outcome = judge(...args)
  return outcome.kind === 'dropped' ? outcome.reason : 'not dropped'
}

describe('normalise', () => {
  it('reads name, tenant, users and ACL from the headers', () => {
    const got = event({
      name: 'call_created',
      tenant_uuid: TENANT,
      required_acl: 'events.calls.u1',
      'user_uuid:u1': true,
      'user_uuid:u2': true,
    })
    expect(got).to.include({
      name: 'call_created',
      tenant: TENANT,
      requiredAcl: 'events.calls.u1',
      everyone: false,
    })
    expect(got.users).to.deep.equal(['u1', 'u2'])
    expect(got.revokedSession).to.equal(null)
  })

  it('passes the body on as the very same bytes', () => {
    const body = Buffer.from('{ "n":12345678901234567890,\t"f": 1.0, "b":1, "a":"\\u00e9é" }\n')
    expect(event({ name: 'x', required_acl: null }, body).body).to.deep.equal(body)
  })

  it('passes on what Python writes for floats that are no numbers, byte for byte', () => {
    const body = Buffer.from(
      ' {"data":{"a":NaN,"b":[Infinity,-Infinity,-1],"c":"NaN \\" Infinity"},"name":"NaN","required_acl":null,"user_uuid:*":NaN}',
    )
    expect(event(undefined, body)).to.deep.include({ body, name: 'NaN', requiredAcl: null, everyone: false })
  })

  it('judges texts with such floats as a parser does that knows them', () => {
    const piece = fc.constantFrom(
      ...[
        'NaN',
        'Infinity',
        '-Infinity',
        '-',
        '0',
        '1.5',
        'e3',
        '"',
        '\\',
        '\\"',
        '"a"',
        ':',
        ',',
        '{',
        '}',
        '[',
        ']',
        'null',
      ],
      ...['true', ' ', 'N', 'I', '{"a":', '"NaN"', '"b":', 'é'],
    )
    const dumped = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(''))
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom('NaN', 'Infinity', '-Infinity', '-1', 'null'),
        fc.string().map((s) => JSON.stringify(s)),
        tie('list'),
        tie('table'),
      ),
      list: fc.array(tie('any'), { maxLength: 4 }).map((items) => `[${items.join(' , ')}]`),
      table: fc
        .array(fc.tuple(fc.string(), tie('any')), { maxLength: 4 })
        .map((pairs) => `{${pairs.map(([k, v]) => `${JSON.stringify(k)}:${String(v)}`).join(',')}}`),
    })).any
    const spoilt = fc.tuple(value, fc.nat(), dumped).map(([text, at, noise]) => {
      const cut = at % (String(text).length + 1)
      return `${String(text).slice(0, cut)}${noise}${String(text).slice(cut)}`
    })
    let valid = 0
    fc.assert(
      fc.property(fc.oneof(value, spoilt, dumped), (text) => {
        const body = `{"data":${String(text)}}`
        const isValid = isPythonJson(body)
        if (isValid) valid++
        expect(reason(fine, body, { bodyBytesMax: 1024 * 1024 })).to.equal(
          isValid ? 'not dropped' : 'invalid_json',
        )
      }),
      { numRuns: 3000 },
    )
    expect(valid).to.be.within(500, 2900)
  })

  it('takes no longer for poison than for other texts of its size', () => {
    const size = 1024 * 1024
    for (const poison of ['NaN', '-', 'N', '"\\', 'Infinity ', '[NaN,', '-Infinit']) {
      const body = Buffer.from(`{"a":${poison.repeat(Math.floor(size / poison.length) - 5)}`)
      const since = process.cpuUsage()
      expect(reason(fine, body, { bodyBytesMax: size })).to.equal('invalid_json')
      expect(process.cpuUsage(since).user / 1000, poison).to.be.below(500)
    }
  })

  it('reads what the headers lack from the root of the body', () => {
    const body = JSON.stringify({ name: 'x', tenant_uuid: TENANT, required_acl: 'a.b', 'user_uuid:*': true })
    for (const headers of [undefined, {}])
      expect(event(headers, body)).to.include({
        name: 'x',
        tenant: TENANT,
        requiredAcl: 'a.b',
        everyone: true,
      })
  })

  it('lets a header win over the body, also when it is null', () => {
    const body = JSON.stringify({
      name: 'body',
      required_acl: 'body',
      tenant_uuid: 'body',
      'user_uuid:*': true,
    })
    const headers = { name: 'header', required_acl: null, tenant_uuid: null, 'user_uuid:*': false }
    expect(event(headers, body)).to.include({
      name: 'header',
      requiredAcl: null,
      tenant: null,
      everyone: false,
    })
  })

  it('never takes users other than everyone from the body', () => {
    const body = JSON.stringify({ name: 'x', required_acl: null, 'user_uuid:u1': true })
    expect(event(undefined, body).users).to.deep.equal([])
  })

  for (const value of [false, 'true', 1, null, 'True', {}, []])
    it(`does not count a user header that is ${JSON.stringify(value)}`, () => {
      const got = event({ name: 'x', required_acl: null, 'user_uuid:u1': value, 'user_uuid:*': value })
      expect(got.users).to.deep.equal([])
      expect(got.everyone).to.equal(false)
    })

  it('takes an event without a tenant for a service event', () => {
    expect(event({ name: 'x', required_acl: null }).tenant).to.equal(null)
  })

  it('keeps names that are properties of every object apart from real ones', () => {
    expect(reason({}, '{"required_acl":null}')).to.equal('no_name')
    expect(event({ name: '__proto__', required_acl: null }).name).to.equal('__proto__')
    expect(reason({ name: 'x' }, '{"__proto__":{"required_acl":null}}')).to.equal('no_acl')
    const poisoned = Object.create({ required_acl: null }) as Record<string, unknown>
    poisoned['name'] = 'x'
    expect(reason(poisoned)).to.equal('no_acl')
  })

  const fine = { name: 'x', required_acl: null }
  const DROPPED: readonly [string, Record<string, unknown> | undefined, string | Buffer][] = [
    ['invalid_json', fine, 'nonsense'],
    ['invalid_json', fine, ''],
    ...[
      'nan',
      '+Infinity',
      '-NaN',
      'NaNx',
      '[Infinity1]',
      '1NaN',
      '--Infinity',
      'infinity',
      'NaN NaN',
      '"NaN',
      'Infinit',
    ].map((value): [string, Record<string, unknown>, string] => ['invalid_json', fine, `{"a":${value}}`]),
    ['invalid_json', fine, '{NaN:1}'],
    ['invalid_json', fine, '{"a":NaN,}'],
    ['not_an_object', fine, 'NaN'],
    ['bad_name', undefined, '{"name":NaN,"required_acl":null}'],
    ['bad_acl', { name: 'x' }, '{"required_acl":NaN}'],
    ['bad_acl', { name: 'x' }, '{"required_acl":-Infinity}'],
    ['bad_tenant', fine, '{"tenant_uuid":Infinity}'],
    ['invalid_json', fine, '{"a":1}x'],
    ['not_an_object', fine, '[]'],
    ['not_an_object', fine, 'null'],
    ['not_an_object', fine, '"text"'],
    ['not_an_object', fine, '12'],
    ['invalid_utf8', fine, Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
    ['invalid_utf8', fine, Buffer.from('{"a":"\u{1f600}"}').subarray(0, 8)],
    ['byte_order_mark', fine, Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from('{}')])],
    ['too_big', fine, JSON.stringify({ data: 'x'.repeat(1024) })],
    ['no_name', { required_acl: null }, '{}'],
    ['no_name', undefined, '{}'],
    ['bad_name', { name: 5, required_acl: null }, '{"name":"x"}'],
    ['bad_name', { name: null, required_acl: null }, '{}'],
    ['no_acl', { name: 'x' }, '{"data":{"required_acl":null}}'],
    ['bad_acl', { name: 'x', required_acl: 0 }, '{}'],
    ['bad_acl', { name: 'x', required_acl: false }, '{}'],
    ['bad_acl', { name: 'x', required_acl: [] }, '{}'],
    ['bad_acl', { name: 'x', required_acl: {} }, '{}'],
    ['bad_acl', { name: 'x' }, '{"required_acl":["a"]}'],
    ['bad_tenant', { ...fine, tenant_uuid: 7 }, '{}'],
    ['bad_tenant', { ...fine, tenant_uuid: { a: 1 } }, '{}'],
  ]
  for (const [expected, headers, body] of DROPPED)
    it(`drops as ${expected}: headers ${JSON.stringify(headers)}, body ${String(body).slice(0, 30)}`, () => {
      expect(reason(headers, body)).to.equal(expected)
    })

  it('takes a body of exactly the limit', () => {
    const body = JSON.stringify({ d: 'x'.repeat(1024 - 8) })
    expect(body).to.have.length(1024)
    expect(reason(fine, body)).to.equal('not dropped')
  })

  it('drops events of another origin when this Wazo has a uuid', () => {
    const origin = 'ca7f87e9'
    expect(reason({ ...fine, origin_uuid: origin }, '{}', { origin })).to.equal('not dropped')
    expect(reason(fine, `{"origin_uuid":"${origin}"}`, { origin })).to.equal('not dropped')
    expect(reason({ ...fine, origin_uuid: 'other' }, '{}', { origin })).to.equal('other_origin')
    expect(reason(fine, '{}', { origin })).to.equal('other_origin')
    expect(reason({ ...fine, origin_uuid: 'other' }, '{}')).to.equal('not dropped')
  })

  it('survives nesting that would exhaust the stack', () => {
    const depth = 200_000
    const body = `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`
    const outcome = judge(fine, body, { bodyBytesMax: 1024 * 1024 })
    expect(outcome.kind).to.be.oneOf(['event', 'dropped'])
  })

  describe('of auth_session_deleted', () => {
    const deleted = { name: 'auth_session_deleted', required_acl: 'a', tenant_uuid: TENANT }

    it('names the session of data.uuid', () => {
      const got = event({ ...deleted, session_uuid: 'header' }, '{"data":{"uuid":"body"}}')
      expect(got).to.include({ revokedSession: 'body', revocationOnly: false })
    })

    for (const body of ['{}', '{"data":null}', '{"data":[]}', '{"data":{"uuid":5}}', '{"data":{"uuid":""}}'])
      it(`names that of the header when the body is ${body}`, () => {
        expect(event({ ...deleted, session_uuid: 'header' }, body).revokedSession).to.equal('header')
      })

    it('is an event like any other when it names no session', () => {
      expect(event(deleted)).to.include({ revokedSession: null, revocationOnly: false })
      expect(event({ ...deleted, session_uuid: 5 }).revokedSession).to.equal(null)
    })

    it('ends the session even when no session may see the event', () => {
      const got = event({ name: 'auth_session_deleted', session_uuid: 's' })
      expect(got).to.include({ revokedSession: 's', revocationOnly: true, requiredAcl: null })
    })

    it('does not read a session out of other events', () => {
      expect(event({ ...fine, session_uuid: 's' }, '{"data":{"uuid":"s"}}').revokedSession).to.equal(null)
    })
  })
})

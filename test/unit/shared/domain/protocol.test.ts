import {
  encodeServerMessage,
  EVENT_PREFIX,
  EVENT_SUFFIX,
  positionedEventPrefix,
  parseClientMessage,
} from '@wazo-websocketd/shared/domain/protocol'
import { expect } from 'chai'
import fc from 'fast-check'

function fault(text: string): string {
  const parsed = parseClientMessage(text)
  return 'fault' in parsed ? parsed.fault : `no fault in ${text}`
}

function ok(text: string): unknown {
  const parsed = parseClientMessage(text)
  return 'ok' in parsed ? parsed.ok : parsed.fault
}

describe('codec: what a client sends', () => {
  it('understands every op', () => {
    expect(ok('{"op":"subscribe","data":{"event_name":"foo"}}')).to.deep.equal({
      op: 'subscribe',
      eventName: 'foo',
    })
    expect(ok('{"op":"start"}')).to.deep.equal({ op: 'start' })
    expect(ok('{"op":"token","data":{"token":"abc"}}')).to.deep.equal({ op: 'token', token: 'abc' })
    expect(ok('{"op":"ping","data":{"payload":"x"}}')).to.deep.equal({ op: 'ping', payload: '"x"' })
  })

  it('accepts what it does not ask for: other keys, any data of start, any length of name', () => {
    expect(ok('{"op":"start","data":7,"x":[]}')).to.deep.equal({ op: 'start' })
    expect(ok(' {"data":{"x":1,"event_name":""},"op":"subscribe"}\n')).to.deep.equal({
      op: 'subscribe',
      eventName: '',
    })
    const name = 'n'.repeat(10_000)
    expect(ok(`{"op":"subscribe","data":{"event_name":"${name}"}}`)).to.deep.equal({
      op: 'subscribe',
      eventName: name,
    })
  })

  for (const [text, expected] of [
    ['', 'not JSON'],
    ['{', 'not JSON'],
    ['{"op":"start"} x', 'not JSON'],
    ['\ufeff{"op":"start"}', 'not JSON'],
    ['{"op":"ping","data":{"payload":NaN}}', 'not JSON'],
    ['null', 'root is not an object'],
    ['[]', 'root is not an object'],
    ['["op","start"]', 'root is not an object'],
    ['"start"', 'root is not an object'],
    ['3', 'root is not an object'],
    ['{}', 'op is missing'],
    ['{"OP":"start"}', 'op is missing'],
    ['{"__proto__":{"op":"start"}}', 'op is missing'],
    ['{"op":null}', 'op is not a string'],
    ['{"op":["start"]}', 'op is not a string'],
    ['{"op":"stop"}', 'unknown op: stop'],
    ['{"op":""}', 'unknown op: '],
    ['{"op":"constructor"}', 'unknown op: constructor'],
    ['{"op":"subscribe"}', 'subscribe: data is missing'],
    ['{"op":"subscribe","data":null}', 'subscribe: data is not an object'],
    ['{"op":"subscribe","data":["event_name"]}', 'subscribe: data is not an object'],
    ['{"op":"subscribe","data":"foo"}', 'subscribe: data is not an object'],
    ['{"op":"subscribe","data":{}}', 'subscribe: data.event_name is missing'],
    ['{"op":"subscribe","data":{"event_name":null}}', 'subscribe: data.event_name is not a string'],
    ['{"op":"subscribe","data":{"event_name":7}}', 'subscribe: data.event_name is not a string'],
    ['{"op":"token"}', 'token: data is missing'],
    ['{"op":"token","data":{}}', 'token: data.token is missing'],
    ['{"op":"token","data":{"token":{}}}', 'token: data.token is not a string'],
    ['{"op":"ping"}', 'ping: data is missing'],
    ['{"op":"ping","data":[]}', 'ping: data is not an object'],
    ['{"op":"ping","data":{}}', 'ping: data.payload is missing'],
    ['{"op":"ping","data":{"__proto__":{"payload":1}}}', 'ping: data.payload is missing'],
  ] as const)
    it(`says "${expected}" about ${JSON.stringify(text)}`, () => {
      expect(fault(text)).to.equal(expected)
    })

  it('quotes only the beginning of an unknown op', () => {
    expect(fault(`{"op":"${'x'.repeat(60_000)}"}`)).to.equal(`unknown op: ${'x'.repeat(32)}`)
  })

  it('answers 64 KiB of open brackets or braces with a fault instead of overflowing the stack', () => {
    expect(fault('['.repeat(65_536))).to.equal('not JSON')
    expect(fault('{"a":'.repeat(13_000))).to.equal('not JSON')
    expect(fault('['.repeat(32_768) + ']'.repeat(32_768))).to.equal('root is not an object')
    const nested = '['.repeat(32_000) + ']'.repeat(32_000)
    expect(ok(`{"op":"ping","data":{"payload":${nested}}}`)).to.deep.equal({ op: 'ping', payload: nested })
  })
})

describe('codec: the payload of a ping', () => {
  for (const payload of [
    '12345678901234567890',
    '1.0',
    '-0',
    '1E+2',
    'null',
    'false',
    '"a\\u0041\\"}"',
    '"\\\\"',
    '{ "b" : 1.0,\t"a":[ ] }',
    '[{"payload":1},"]"]',
    '""',
  ])
    it(`comes back as it was written: ${payload}`, () => {
      expect(ok(`{"op":"ping","data":{"payload":${payload}}}`)).to.deep.equal({ op: 'ping', payload })
      expect(
        ok(`\n{ "data" : {"x":{"payload":0} , "payload" :\t${payload} , "y":1} , "op":"ping" }`),
      ).to.deep.equal({
        op: 'ping',
        payload,
      })
    })

  it('is the last one when keys repeat, as in JSON.parse', () => {
    expect(ok('{"op":"ping","data":{"payload":1},"data":{"payload":2,"payload":3.0}}')).to.deep.equal({
      op: 'ping',
      payload: '3.0',
    })
    expect(fault('{"op":"ping","data":{"payload":1},"data":{}}')).to.equal('ping: data.payload is missing')
  })

  it('is found under a key that is spelled with escapes, and not under one that only looks like it', () => {
    expect(ok('{"op":"ping","d\\u0061ta":{"p\\u0061yload":1.0}}')).to.deep.equal({
      op: 'ping',
      payload: '1.0',
    })
    expect(ok('{"op":"ping","data":{"payload":1.0,"payload\\\\":2,"\\"payload":3}}')).to.deep.equal({
      op: 'ping',
      payload: '1.0',
    })
  })

  it('survives for any JSON value in any frame layout', () => {
    const space = fc.constantFrom('', ' ', '\n\t ', '\r\n')
    const key = fc.oneof(fc.constantFrom('payload', 'data', 'op', '{', '"', '\\'), fc.string())
    fc.assert(
      fc.property(
        fc.json({ maxDepth: 4 }),
        fc.array(fc.tuple(key, fc.json({ maxDepth: 2 })), { maxLength: 3 }),
        space,
        (payload, others, s) => {
          const extra = others.map(([k, v]) => `${s}${JSON.stringify(k)}${s}:${s}${v}${s},`).join('')
          const text = `${s}{${extra}"op"${s}:"ping"${s},"data":${s}{${extra}${s}"payload":${s}${payload}${s}}${s}}`
          expect(ok(text)).to.deep.equal({ op: 'ping', payload })
        },
      ),
    )
  })
})

describe('codec: any text', () => {
  it('gives a message or a fault, and the fault is short', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.json().map((v) => `{"op":${v},"data":${v}}`),
        ),
        (text) => {
          const parsed = parseClientMessage(text)
          if ('fault' in parsed) expect(parsed.fault.length).to.be.within(1, 80)
          else expect(parsed.ok.op).to.be.oneOf(['subscribe', 'start', 'ping', 'token'])
        },
      ),
    )
  })

  it('is handled in time that grows with its length only', () => {
    const text = (n: number) => `{"op":"ping","data":{${'"data":{"payload":[[]]},'.repeat(n)}"payload":1}}`
    const started = performance.now()
    for (let i = 0; i < 20; i++) expect(ok(text(2_700))).to.deep.equal({ op: 'ping', payload: '1' })
    expect(performance.now() - started).to.be.below(1_000)
  })
})

describe('codec: what the server sends', () => {
  it('has the three keys in the documented order and no white space', () => {
    expect(encodeServerMessage({ op: 'init', version: 1, resumeSeconds: null })).to.equal(
      '{"op":"init","code":0,"data":{"version":1}}',
    )
    expect(encodeServerMessage({ op: 'init', version: 2, resumeSeconds: null })).to.equal(
      '{"op":"init","code":0,"data":{"version":2}}',
    )
    expect(encodeServerMessage({ op: 'subscribe' })).to.equal('{"op":"subscribe","code":0,"data":null}')
    expect(encodeServerMessage({ op: 'start', resumption: null })).to.equal(
      '{"op":"start","code":0,"data":null}',
    )
    expect(encodeServerMessage({ op: 'token' })).to.equal('{"op":"token","code":0,"data":null}')
    expect(encodeServerMessage({ op: 'pong', payload: '1.0' })).to.equal(
      '{"op":"pong","code":0,"data":{"payload":1.0}}',
    )
  })

  it('tells of positions where a session has them', () => {
    expect(encodeServerMessage({ op: 'init', version: 2, resumeSeconds: 120 })).to.equal(
      '{"op":"init","code":0,"data":{"version":2,"resume":{"seconds":120}}}',
    )
    expect(encodeServerMessage({ op: 'start', resumption: { resumed: true, id: 'e.0.a' } })).to.equal(
      '{"op":"start","code":0,"data":{"resumed":true,"id":"e.0.a"}}',
    )
    expect(
      encodeServerMessage({ op: 'start', resumption: { resumed: false, id: 'e.0.a', why: 'too old' } }),
    ).to.equal('{"op":"start","code":0,"data":{"resumed":false,"id":"e.0.a","why":"too old"}}')
    expect(positionedEventPrefix('e.0.a') + '{}' + EVENT_SUFFIX).to.equal(
      '{"op":"event","code":0,"id":"e.0.a","data":{}}',
    )
  })

  it('wraps an event without touching its body', () => {
    const body = '{ "data": 12345678901234567890 }'
    expect(EVENT_PREFIX + body + EVENT_SUFFIX).to.equal(`{"op":"event","code":0,"data":${body}}`)
    expect(JSON.parse(EVENT_PREFIX + '{}' + EVENT_SUFFIX)).to.deep.equal({ op: 'event', code: 0, data: {} })
  })
})

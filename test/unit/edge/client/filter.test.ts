import { parseFilter, passes } from '@wazo-websocketd/edge/client/filter'
import { expect } from 'chai'

describe('A filter of the tail', () => {
  const body = {
    name: 'call_created',
    'user_uuid:1': true,
    data: { status: 'Ring', number: 1, text: '1', none: null, lines: [{ id: 7 }], equation: 'a=b' },
  }
  const holds = (text: string) => passes(parseFilter(text)!, body)

  it('holds where the value at the path is the one asked for, as text or as JSON', () => {
    for (const text of [
      ...['name=call_created', 'data.status=Ring', 'data.number=1', 'data.text=1', 'data.none=null'],
      ...['data.lines.0.id=7', 'user_uuid:1=true', 'data.equation=a=b', 'data.lines=[{"id":7}]'],
    ])
      expect(holds(text), text).to.equal(true)
  })

  it('does not hold otherwise', () => {
    for (const text of [
      ...['name=call', 'data.status=ring', 'data.number=1.0', 'data.missing=undefined', 'data.lines.1.id=7'],
      ...['data.status.length=4', 'constructor.name=Object', 'data.toString='],
    ])
      expect(holds(text), text).to.equal(false)
    expect(passes(parseFilter('name=x')!, undefined)).to.equal(false)
  })

  it('needs a path', () => {
    for (const text of ['', 'name', '=x', 'a..b=c', '.a=b']) expect(parseFilter(text), text).to.equal(null)
  })
})

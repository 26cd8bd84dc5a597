import { encodeTicket, matchKeysOf, parseRow, TICKET_FORM } from '@wazo-websocketd/edge/drain/ticket'
import type { TicketDraft } from '@wazo-websocketd/edge/drain/tickets'
import type { Epoch } from '@wazo-websocketd/shared/domain/position'
import { expect } from 'chai'

const connection = (changes: Partial<TicketDraft['connection']> = {}): TicketDraft['connection'] => ({
  version: 2,
  address: '192.0.2.1',
  subscriptions: new Set(['b', 'a']),
  ...changes,
})

describe('a ticket', () => {
  it('knows a session by version, address and names, whatever the order of the names', () => {
    const keys = matchKeysOf(connection())
    expect(keys).to.include({ version: '2', address: '192.0.2.1' })
    expect(matchKeysOf(connection({ subscriptions: new Set(['a', 'b']) }))).to.deep.equal(keys)
    for (const names of [['a'], ['a,b'], ['a', 'b', '']])
      expect(matchKeysOf(connection({ subscriptions: new Set(names) })).names).to.not.equal(keys.names)
  })

  it('holds no event name and keeps large offsets to the digit', () => {
    const subscriptions = new Set(['a-secret-name'])
    const positions = new Map([[3, { epoch: 'e' as Epoch, offset: Number.MAX_SAFE_INTEGER }]])
    const text = encodeTicket({ connection: connection({ subscriptions }), positions })
    expect(text).to.not.include('a-secret-name')
    expect((JSON.parse(text) as { at: unknown }).at).to.deep.equal({ 3: ['e', '9007199254740991'] })
  })

  it('says its form', () => {
    expect(JSON.parse(encodeTicket({ connection: connection(), positions: new Map() }))).to.include({
      form: TICKET_FORM,
    })
  })

  it('is read from a row of texts or bytes', () => {
    const row = ['id', Buffer.from('0'), 'e', Buffer.from('7'), '2', 'f', '9007199254740991']
    expect(parseRow(row)).to.deep.equal({
      id: 'id',
      positions: new Map([
        [0, { epoch: 'e', offset: 7 }],
        [2, { epoch: 'f', offset: Number.MAX_SAFE_INTEGER }],
      ]),
    })
  })

  it('is not made up from anything else', () => {
    for (const row of [
      undefined,
      null,
      1,
      [],
      ['id', '0', 'e'],
      ['id', 'x', 'e', '1'],
      ['id', '0', 'e', 'x'],
    ])
      expect(parseRow(row), JSON.stringify(row)).to.equal(null)
  })
})

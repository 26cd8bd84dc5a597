import { parseGeneration, restartOnlyChanges } from '@wazo-websocketd/edge/process/generation'
import { expect } from 'chai'
import fc from 'fast-check'
import { generation } from '../../../support/fakes/worker.js'

describe('a generation', () => {
  it('is understood as it comes over the channel, whatever newer code has added', () => {
    const sent = { ...generation({ restartOnly: { user: 'null' }, remarks: ['a key'] }), added: 1 }
    const received: unknown = JSON.parse(JSON.stringify(sent))
    expect(parseGeneration(received)).to.deep.equal(
      generation({ restartOnly: { user: 'null' }, remarks: ['a key'] }),
    )
  })

  const broken: readonly Record<string, unknown>[] = [
    { version: 1 },
    { workers: 0 },
    { workers: 1.5 },
    { workers: '2' },
    { drain: null },
    { drain: { ratePerSecond: 1, timeoutMs: 1 } },
    { drain: { ratePerSecond: 1, timeoutMs: 1, delayMs: -1 } },
    { logLevel: 'loud' },
    { remarks: [1] },
    { restartOnly: null },
    { restartOnly: { user: null } },
  ]
  for (const over of broken)
    it(`is none with ${JSON.stringify(over)}`, () => {
      expect(parseGeneration({ ...generation(), ...over })).to.equal(null)
    })

  it('is never read from anything else, and nothing throws', () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        expect(parseGeneration(value)).to.equal(null)
      }),
    )
  })

  it('names what only a restart takes up, of the keys that both know', () => {
    const running = { restartOnly: { user: 'a', log_file: 'null', gone: '1' } }
    const next = { restartOnly: { user: 'b', log_file: 'null', added: '1' } }
    expect(restartOnlyChanges(running, next)).to.deep.equal(['user'])
  })
})

import { handleLogSignals } from '@wazo-websocketd/shared/runtime/log-signals'
import { expect } from 'chai'
import { fakeLog } from '../../../support/fakes/log.js'

describe('the signals of the log', () => {
  it('open it anew (SIGUSR1), or are ignored and logged (SIGUSR2)', () => {
    const { logger, entries } = fakeLog()
    const listeners = new Map<string, () => void>()
    let reopened = 0
    handleLogSignals(logger, () => reopened++, {
      on: (signal, listener) => void listeners.set(signal, listener),
    })
    listeners.get('SIGUSR1')!()
    expect([reopened, entries.length]).to.deep.equal([1, 0])
    listeners.get('SIGUSR2')!()
    expect(reopened).to.equal(1)
    expect(entries).to.have.length(1)
    expect(entries[0]).to.deep.include({ level: 30, signal: 'SIGUSR2' })
  })
})

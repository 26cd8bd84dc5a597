import { expect } from 'chai'
import { pino } from 'pino'
import { Announcer } from '@wazo-websocketd/ingest/status/announcer'
import { FailureLog } from '@wazo-websocketd/ingest/status/failure-log'
import { Status } from '@wazo-websocketd/ingest/status/status'
import { decode } from '@wazo-websocketd/shared/domain/envelope'
import type { Epoch } from '@wazo-websocketd/shared/domain/position'
import { FakeClock } from '../../../support/fakes/clock.js'
import { settle } from '../../../support/fakes/publish-loop.js'

function announcer() {
  const clock = new FakeClock(0)
  const limits = { canaryTimeoutMs: 3000, downAfterMs: 10_000, redisGraceMs: 5000 }
  const status = new Status(limits, clock, new FailureLog(clock, pino({ level: 'silent' }), 30_000))
  const said: string[] = []
  const subject = new Announcer({ ingest: 'me', intervalMs: 1000 }, clock, status, (message) => {
    const state = decode(message)
    if (state.kind !== 'state') throw new Error('not a state')
    said.push(`${clock.monotonic()} ${state.state} ${state.epoch ?? '-'} ${state.heads.join()}`)
  })
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms)
    await settle(2)
  }
  return { clock, status, said, subject, pass }
}

describe('Announcer', () => {
  it('announces the state once a second, and at once when it changes', async () => {
    const { status, said, subject, pass } = announcer()
    subject.start()
    await pass(300)
    status.brokerConnected = true
    subject.statusChanged()
    subject.statusChanged()
    await pass(300)
    status.attached('E' as Epoch, [7, 8])
    subject.statusChanged()
    await pass(1000)
    subject.stop()
    subject.statusChanged()
    await pass(5000)
    expect(said).to.deep.equal(['0 down - ', '300 catching-up - ', '1000 catching-up E 7,8'])
  })

  it('announces nothing while another numbering is in force', async () => {
    const { status, said, subject, pass } = announcer()
    status.passive = true
    subject.start()
    await pass(1000)
    status.passive = false
    await pass(1000)
    expect(said).to.deep.equal(['2000 down - '])
    subject.stop()
  })
})

import { expect } from 'chai'
import { pino } from 'pino'
import { Announcer } from '@wazo-websocketd/ingest/announcer'
import { Complaints } from '@wazo-websocketd/ingest/complaints'
import { Status } from '@wazo-websocketd/ingest/status'
import { decode } from '@wazo-websocketd/shared/domain/envelope'
import type { Epoch } from '@wazo-websocketd/shared/domain/identity'
import { FakeClock } from '../shared/runtime/fake-clock.js'
import { settle } from './pipeline.support.js'

function announcer(answer: () => Promise<void> = () => Promise.resolve()) {
  const clock = new FakeClock()
  const limits = { canaryMs: 3000, stalledMs: 10_000, redisGraceMs: 5000 }
  const status = new Status(limits, clock, new Complaints(clock, pino({ level: 'silent' }), 30_000))
  const said: string[] = []
  const subject = new Announcer({ ingest: 'me', intervalMs: 1000 }, clock, status, (message) => {
    const state = decode(message)
    if (state.kind !== 'state') throw new Error('not a state')
    said.push(`${clock.monotonic()} ${state.state} ${state.epoch ?? '-'} ${state.heads.join()}`)
    return answer()
  })
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms)
    await settle(2)
  }
  return { clock, status, said, subject, pass }
}

describe('Announcer', () => {
  it('says once a second how its ingest is, and at once when that changes', async () => {
    const { status, said, subject, pass } = announcer()
    subject.start()
    await pass(300)
    status.brokerConnected = true
    subject.changed()
    subject.changed()
    await pass(300)
    status.attached('E' as Epoch, [7, 8])
    subject.changed()
    await pass(1000)
    subject.stop()
    subject.changed()
    await pass(5000)
    expect(said).to.deep.equal(['0 down - ', '300 catching-up - ', '1000 catching-up E 7,8'])
  })

  it('says nothing while another numbering is in force', async () => {
    const { status, said, subject, pass } = announcer()
    status.passive = true
    subject.start()
    await pass(1000)
    status.passive = false
    await pass(1000)
    expect(said).to.deep.equal(['2000 down - '])
    subject.stop()
  })

  it('goes on although what it says does not arrive, and has one on its way at most', async () => {
    const waiting: ((error: Error) => void)[] = []
    const { said, subject, pass } = announcer(() => new Promise((_, reject) => waiting.push(reject)))
    subject.start()
    for (let n = 0; n < 3; n++) await pass(1000)
    expect(said).to.have.length(1)
    waiting[0]!(new Error('away'))
    await settle(1)
    await pass(1000)
    expect(said).to.have.length(2)
    subject.stop()
  })
})

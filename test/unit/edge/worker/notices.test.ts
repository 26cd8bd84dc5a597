import { Notices } from '@wazo-websocketd/edge/worker/notices'
import type { ExpiryNotice } from '@wazo-websocketd/edge/auth/expiry/notice'
import { expect } from 'chai'
import { FakeClock } from '../../../support/fakes/clock.js'
import { fakeLog } from '../../../support/fakes/log.js'

const HASH = 'a'.repeat(64)
const DUE = '{p}:notices'
const DRAINS = '{p}:drains'

function setUp({ leaveTogether = true, database = 0 } = {}) {
  const channels = new Map<string, (bytes: Uint8Array) => void>()
  const seen = { due: [] as ExpiryNotice[], drained: [] as string[], unreadable: 0 }
  const { logger, entries } = fakeLog()
  const notices = new Notices({
    ...{ prefix: 'p', database, leaveTogether, clock: new FakeClock(), log: logger },
    connections: {
      subscribe: (channel, listener) => void channels.set(channel, (bytes) => listener.message(bytes)),
    },
    watcher: { handleNotice: (notice) => void seen.due.push(notice) },
    shutdown: { onDrainNotice: (hash) => void seen.drained.push(hash) },
    unreadable: () => void (seen.unreadable += 1),
  })
  notices.start()
  const publish = (channel: string, text: string) => channels.get(channel)!(Buffer.from(text))
  return { channels: [...channels.keys()], publish, seen, entries, notices }
}

describe('Notices', () => {
  it('reach the watch over tokens, and the end of this worker', () => {
    const { channels, publish, seen } = setUp()
    expect(channels).to.deep.equal([DUE, DRAINS])
    publish(DUE, `expired ${HASH}`)
    publish(DRAINS, HASH)
    expect(seen).to.deep.equal({ due: [{ kind: 'expired', hash: HASH }], drained: [HASH], unreadable: 0 })
  })

  it('are those of the database of this Redis', () => {
    for (const channel of setUp({ database: 3 }).channels) expect(channel).not.to.be.oneOf([DUE, DRAINS])
  })

  it('of drains are not heard where sessions do not leave together', () => {
    expect(setUp({ leaveTogether: false }).channels).to.deep.equal([DUE])
  })

  it('that this program cannot read are counted and logged, each kind at a bounded rate', () => {
    const { publish, seen, entries, notices } = setUp()
    for (let i = 0; i < 20; i++) publish(DUE, 'later and more')
    publish(DRAINS, 'later and more')
    notices.close()
    expect([seen.due, seen.drained, seen.unreadable]).to.deep.equal([[], [], 21])
    const kinds = entries.map(({ what, suppressed }) => what ?? suppressed)
    expect(kinds).to.deep.equal([...Array<string>(5).fill('notice'), 'call', 15])
  })
})

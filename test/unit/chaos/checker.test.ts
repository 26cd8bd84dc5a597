import { expect } from 'chai'
import { check } from '../../support/checker/check.js'
import type { FaultWindow } from '../../support/checker/history.js'
import { batch, sentAt, session, soundHistory, token, type Draft, type SessionDraft } from './histories.js'

const EVENTS = 40

/** The invariants that a spoilt history violates, once each. */
function broken(...spoils: ((history: Draft, a: SessionDraft) => unknown)[]): string[] {
  const history = soundHistory(EVENTS)
  for (const spoil of spoils) spoil(history, history.sessions[0] as SessionDraft)
  return [...new Set(check(history).map(({ invariant }) => invariant))].sort()
}

const fault: FaultWindow = {
  ...{ kind: 'x', from: 0, to: 1e6, codes: [], host: null },
  ...{ healedInTime: true, stallMsMax: null },
}

function end(a: SessionDraft, code: number, id: number, byClient = false): void {
  a.end = { at: sentAt(id), code, byClient }
  a.ids = a.ids.filter((each) => each < id)
  a.times = a.times.slice(0, a.ids.length)
}

describe('The checker', () => {
  it('has nothing to say about a sound history', () => {
    expect(check(soundHistory(40))).to.deep.equal([])
  })

  it('finds an event that came twice (I1)', () => {
    expect(broken((_, a) => a.ids.splice(5, 0, a.ids[4]!))).to.deep.equal(['I1'])
  })

  it('finds two events that changed places (I1)', () => {
    expect(broken((_, a) => a.ids.splice(5, 2, a.ids[6]!, a.ids[5]!))).to.deep.equal(['I1'])
  })

  it('finds an event that did not come (I2)', () => {
    expect(broken((_, a) => a.ids.splice(5, 1))).to.deep.equal(['I2'])
  })

  it('finds a session that went silent, open or closed by its client long after (I3)', () => {
    expect(broken((_, a) => a.ids.splice(5))).to.deep.equal(['I3'])
    const closed = broken((history, a) => {
      a.ids.splice(5)
      a.end = { at: history.endedAt, code: 1000, byClient: true }
    })
    expect(closed).to.deep.equal(['I3'])
  })

  it('accepts a client that left before the last events could come', () => {
    expect(broken((_, a) => end(a, 1000, 30, true))).to.deep.equal([])
  })

  it('accepts 1011 with the fault that explains it, on its host, and without it finds fault (I2)', () => {
    const excuse = { ...fault, codes: [1011] }
    expect(broken((history, a) => (end(a, 1011, 30), history.faults.push(excuse)))).to.deep.equal([])
    expect(broken((_, a) => end(a, 1011, 30))).to.deep.equal(['I2'])
    expect(broken((history, a) => (end(a, 1011, 30), history.faults.push(fault)))).to.deep.equal(['I2'])
    const elsewhere = { ...excuse, host: 1 }
    expect(broken((history, a) => (end(a, 1011, 30), history.faults.push(elsewhere)))).to.deep.equal(['I2'])
  })

  it('still wants what came before a 1011, up to the last event received (I2)', () => {
    const spoil = (history: Draft, a: SessionDraft): void => {
      end(a, 1011, 30)
      a.ids.splice(5, 1)
      history.faults.push({ ...fault, codes: [1011] })
    }
    expect(broken(spoil)).to.deep.equal(['I2'])
  })

  it("finds an event of another tenant, one that nobody published, and one outside the session's names (I4)", () => {
    expect(broken((_, a) => a.ids.splice(5, 0, 9))).to.deep.equal(['I4'])
    expect(broken((_, a) => a.ids.push(777))).to.deep.equal(['I4'])
    const other = broken((_, a) => (a.phases = [{ ...a.phases[0]!, subscriptions: ['bar'] }]))
    expect(other).to.deep.equal(['I4'])
  })

  it('judges users and ACLs by the reference', () => {
    expect(
      broken((history) => (history.shapes[0] = { ...history.shapes[0]!, everyone: false })),
    ).to.deep.equal(['I4'])
    expect(
      broken((history) => (history.shapes[0] = { ...history.shapes[0]!, requiredAcl: 'secret' })),
    ).to.deep.equal(['I4'])
  })

  it('finds an event before start, and one that was over long before (I2)', () => {
    expect(broken((_, a) => (a.phases = [{ ...a.phases[0]!, from: 1 }]))).to.deep.equal(['I2'])
    const late = { askedAt: sentAt(1200), answeredAt: sentAt(1201) }
    expect(broken((_, a) => (a.phases = [{ ...a.phases[0]!, ...late }]))).to.deep.equal(['I2'])
  })

  it('wants an event published after the reply to start, and not one published before', () => {
    const start = (id: number) => ({ askedAt: sentAt(id) - 9, answeredAt: sentAt(id) - 1 })
    const late = (a: SessionDraft, id: number): void => {
      a.phases = [{ ...a.phases[0]!, ...start(id) }]
      a.ids = a.ids.filter((each) => each >= 20)
    }
    expect(broken((_, a) => late(a, 20))).to.deep.equal([])
    expect(broken((_, a) => late(a, 18))).to.deep.equal(['I2'])
  })

  it('finds an event after the revocation, and a session that outlives it (I5)', () => {
    const revoke = (history: Draft): void => {
      history.published[20] = { ...history.published[20]!, revokes: 'sa' }
      history.tokens[0] = token('sa', 'a', { deletedAt: sentAt(20) - 1 })
    }
    expect(broken(revoke, (_, a) => end(a, 4003, 21))).to.deep.equal([])
    expect(broken(revoke, (_, a) => end(a, 4003, 24))).to.deep.equal(['I5'])
    expect(broken(revoke, (_, a) => a.ids.splice(11))).to.deep.equal(['I5'])
    expect(
      broken((_, a) => end(a, 4003, 21)),
      'for no reason',
    ).to.deep.equal(['I2'])
  })

  it('finds a session that outlives its token by more than two seconds (I5)', () => {
    const expire = (lateMs: number) => (history: Draft) =>
      (history.tokens[0] = token('sa', 'a', { expiresAt: sentAt(30) - lateMs }))
    expect(broken(expire(1900), (_, a) => end(a, 4003, 30))).to.deep.equal([])
    expect(broken(expire(5000), (_, a) => end(a, 4003, 30))).to.deep.equal(['I5'])
    expect(
      broken(expire(-5000), (_, a) => end(a, 4003, 30)),
      'early',
    ).to.deep.equal(['I2'])
  })

  it('changes rights with the reply to a new token, and leaves open what may belong to either side', () => {
    const change = (a: SessionDraft, from: number): void => {
      a.phases.push({
        from,
        token: 'sb',
        subscriptions: ['foo'],
        askedAt: sentAt(19),
        answeredAt: sentAt(20),
      })
      a.ids = [...a.ids.filter((id) => id < 18), ...Array.from({ length: 9 }, (_, i) => 23 + 2 * i)]
    }
    expect(broken((_, a) => change(a, 9))).to.deep.equal(['I2'])
    const both = broken((_, a) => {
      change(a, 9)
      a.ids.splice(9, 0, 21) // published after the reply
    })
    expect(both).to.deep.equal([])
    expect(
      broken(
        (_, a) => change(a, 8),
        (_, a) => a.ids.splice(9, 0, 21),
      ),
    ).to.include('I4')
  })

  it('finds offsets that no batch covers, and events that are in none (I6)', () => {
    expect(broken((history) => history.batches.splice(5, 1))).to.deep.equal(['I6'])
    expect(broken((history) => (history.batches[5] = batch(5, [])))).to.deep.equal(['I6'])
    expect(broken((history) => history.batches.pop())).to.deep.equal(['I6'])
    const poison = { name: 'p', tenant: null, users: [], everyone: false, requiredAcl: null, poison: true }
    const poisonous = (history: Draft): void => {
      history.shapes.push(poison)
      history.published[4] = { ...history.published[4]!, shape: 2 }
      history.sessions[0] = session(
        'A',
        'sa',
        history.published.filter(({ shape }) => shape === 0),
      )
    }
    expect(broken(poisonous)).to.deep.equal(['I6'])
    expect(broken(poisonous, (history) => (history.batches[4] = batch(4, [])))).to.deep.equal([])
  })

  it('finds confirmed events that the record of the bus lacks (I6)', () => {
    const spoil = (history: Draft): void => {
      history.published.push({ id: 40, shape: 0, sentAt: sentAt(40), confirmedAt: sentAt(40) + 1 })
    }
    expect(broken(spoil)).to.deep.equal(['I6'])
    expect(broken(spoil, (history) => history.faults.push(fault))).to.deep.equal([])
  })

  it('finds a head that falls, unless Redis lost it, and a number with another event (I7)', () => {
    const fallen = (life: string) => ({ at: sentAt(30), life, epoch: 'e1', head: 1010 })
    expect(broken((history) => history.heads.push(fallen('r1')))).to.deep.equal(['I7'])
    expect(broken((history) => history.heads.push(fallen('r2')))).to.deep.equal([])
    expect(broken((history) => history.batches.push({ ...batch(5), life: 'r2' }))).to.deep.equal([])
    expect(broken((history) => history.batches.push(batch(5, [[1005, 6]])))).to.deep.equal(['I7'])
  })

  it('finds what is left over or too much (I8), and a cluster that took too long to be well (I2)', () => {
    expect(broken((history) => history.holdings.push({ what: 'x', value: 1, max: 0 }))).to.deep.equal(['I8'])
    expect(broken((history) => history.holdings.push({ what: 'x', value: NaN, max: 9 }))).to.deep.equal([
      'I8',
    ])
    expect(broken((history) => history.faults.push({ ...fault, healedInTime: false }))).to.deep.equal(['I2'])
  })

  it('finds events that a fault held up for longer than it may (I2)', () => {
    const stall = (history: Draft, a: SessionDraft): void => {
      a.times[12] = sentAt(24) + 4000
      history.faults.push({ ...fault, from: sentAt(20), to: sentAt(28), stallMsMax: 3900 })
    }
    expect(broken(stall)).to.deep.equal(['I2'])
    expect(broken(stall, (_, a) => (a.times[12] = sentAt(24) + 3000))).to.deep.equal([])
    expect(broken(stall, (_, a) => (a.isCut = true))).to.deep.equal([])
  })

  it('checks a million deliveries within seconds', function () {
    this.timeout(120_000)
    const history = soundHistory(40_000)
    const [a, b] = history.sessions as [SessionDraft, SessionDraft]
    for (let i = 0; i < 24; i++) history.sessions.push({ ...a, name: `A${i}` }, { ...b, name: `B${i}` })
    const deliveries = history.sessions.reduce((sum, { ids }) => sum + ids.length, 0)
    expect(deliveries).to.equal(1_000_000)
    history.sessions[8] = { ...a, name: 'A8', ids: a.ids.toSpliced(12_345, 1) }
    const before = process.cpuUsage()
    expect(check(history)).to.have.length(1)
    const { user, system } = process.cpuUsage(before)
    expect((user + system) / 1e6, 'seconds of CPU').to.be.below(20)
  })
})

describe('The checker, where workers are replaced and hosts drained', () => {
  const window: FaultWindow = { ...fault, kind: 'edge-restart', codes: [1012, 1006], host: 0 }

  /** Session A ends with 1012 at event 20 of the 40; another one of its token goes on from there. */
  function resume(...ids: number[]) {
    return (history: Draft, a: SessionDraft): SessionDraft => {
      const next: SessionDraft = { ...a, name: 'A2', connectedAt: sentAt(24), startAskedAt: sentAt(25) }
      next.phases = [{ ...a.phases[0]!, askedAt: sentAt(25), answeredAt: sentAt(26) }]
      next.ids = ids.length > 0 ? ids : a.ids.filter((id) => id >= 20)
      next.times = next.ids.map((id) => sentAt(Math.max(id, 26)) + 3)
      end(a, 1012, 20)
      history.faults.push(window)
      history.sessions.push(next)
      return next
    }
  }

  const later = (history: Draft): SessionDraft => history.sessions.at(-1) as SessionDraft

  it('has nothing to say where the next session of the token goes on where one was sent away', () => {
    expect(broken(resume())).to.deep.equal([])
  })

  it('finds an event that the next session missed: of the time between, and of the time before (I2)', () => {
    expect(broken(resume(), (history) => later(history).ids.splice(1, 1))).to.deep.equal(['I2'])
    expect(broken(resume(), (history) => later(history).ids.splice(0, 1))).to.deep.equal(['I2'])
    expect(broken(resume(), (history) => later(history).ids.splice(0, 3))).to.deep.equal(['I2'])
    expect(broken(resume(), (_, a) => a.ids.splice(-1))).to.deep.equal(['I2'])
  })

  it('finds an event that came in both sessions, or in the later one out of order (I1)', () => {
    expect(broken(resume(), (history) => later(history).ids.unshift(18))).to.deep.equal(['I1'])
    expect(broken(resume(), (history) => later(history).ids.splice(0, 2, 22, 20))).to.deep.equal(['I1'])
  })

  it('wants nothing that was before the start once the place may be lost, and still no gap after it', () => {
    const fresh = resume(26, 28, 30, 32, 34, 36, 38)
    expect(broken(fresh)).to.deep.equal(['I2'])
    expect(broken(fresh, (history) => history.faults.push({ ...fault, forgets: true }))).to.deep.equal([])
    expect(broken(fresh, (_, a) => (a.end = { ...a.end!, code: 1006 }))).to.deep.equal([])
    const late = (history: Draft): void => {
      for (const of of later(history).phases as { askedAt: number; answeredAt: number }[])
        Object.assign(of, { askedAt: sentAt(25) + 100_001, answeredAt: sentAt(26) + 100_001 })
      later(history).ids = []
    }
    expect(broken(fresh, late), 'after the end of what is kept').to.deep.equal([])
    const gap = (history: Draft): void => void later(history).ids.splice(2, 1)
    expect(broken(fresh, gap, (history) => history.faults.push({ ...fault, forgets: true }))).to.deep.equal([
      'I2',
    ])
  })

  it('goes on over sessions that had no reply to start, unless the place was lost with one of them', () => {
    const between = (code: number) => (history: Draft, a: SessionDraft) =>
      history.sessions.push({
        ...{ ...a, name: 'A1', connectedAt: sentAt(21), phases: [], ids: [], times: [] },
        end: { at: sentAt(22), code, byClient: false },
      })
    const fresh = resume(26, 28, 30, 32, 34, 36, 38)
    expect(broken(fresh, between(1012))).to.deep.equal(['I2'])
    expect(broken(fresh, between(1006))).to.deep.equal([])
    expect(broken(resume(), between(1012))).to.deep.equal([])
  })

  it('takes a session of another token for another session', () => {
    const other = (history: Draft, a: SessionDraft): void => {
      const next = resume(26, 28, 30, 32, 34, 36, 38)(history, a)
      history.tokens.push(token('sc', 'a'))
      Object.assign(next, { token: 'sc', phases: [{ ...next.phases[0]!, token: 'sc' }] })
    }
    expect(broken(other)).to.deep.equal([])
  })

  describe('and of clients with positions', () => {
    /** Session A is cut at event 20; the next one presents the position that A has read. */
    const cut =
      (why: string | null, ...ids: number[]) =>
      (history: Draft, a: SessionDraft): SessionDraft => {
        const next = resume(...ids)(history, a)
        history.faults.pop()
        a.end = { at: sentAt(20), code: 1006, byClient: true }
        next.goesOn = { from: a.name, why }
        return next
      }
    const anew = [26, 28, 30, 32, 34, 36, 38]

    it('joins those whose position was accepted, whatever the token and the end were', () => {
      expect(broken(cut(null))).to.deep.equal([])
      const renewed = (history: Draft): void => {
        history.tokens.push(token('sc', 'a'))
        Object.assign(later(history), {
          token: 'sc',
          phases: [{ ...later(history).phases[0]!, token: 'sc' }],
        })
      }
      expect(broken(cut(null), renewed)).to.deep.equal([])
    })

    it('finds what was missed, or came twice, though a fault was on (I1, I2)', () => {
      const forgotten = (history: Draft) => history.faults.push({ ...fault, forgets: true })
      for (const also of [() => undefined, forgotten]) {
        expect(broken(cut(null), also, (history) => later(history).ids.splice(0, 1))).to.deep.equal(['I2'])
        expect(broken(cut(null), also, (history) => later(history).ids.splice(2, 1))).to.deep.equal(['I2'])
        expect(broken(cut(null), also, (history) => later(history).ids.unshift(18))).to.deep.equal(['I1'])
      }
    })

    it('finds a position that was refused, unless it was old or a fault has cost the sequence (I2)', () => {
      expect(broken(cut('other epoch', ...anew))).to.deep.equal(['I2'])
      expect(
        broken(cut('other epoch', ...anew), (history) => history.faults.push({ ...fault, forgets: true })),
      ).to.deep.equal([])
    })
  })

  it('accepts a 1012 only in a drain or an upgrade, of its own host (I2)', () => {
    const elsewhere = { ...window, host: 1 }
    expect(broken(resume(), (history) => history.faults.pop())).to.deep.equal(['I2'])
    expect(broken(resume(), (history) => (history.faults[0] = elsewhere))).to.deep.equal(['I2'])
  })

  it('finds a hand-over that closes more sessions than it has reasons for, and an upgrade that fails (I2)', () => {
    const upgrade =
      (handovers: Record<string, number>, kills = 0, result: 'success' | 'failure' = 'success') =>
      (history: Draft) =>
        (history.faults[0] = { ...window, kind: 'edge-upgrade', upgrade: { result, handovers, kills } })
    expect(broken(resume(), upgrade({ moved: 4, unsettled: 1 }))).to.deep.equal([])
    expect(broken(resume(), upgrade({ moved: 5 }))).to.deep.equal(['I2'])
    expect(broken(resume(), upgrade({ moved: 4, closing: 1 }))).to.deep.equal(['I2'])
    expect(broken(resume(), upgrade({ moved: 5 }, 1))).to.deep.equal([])
    expect(broken(resume(), upgrade({ unsettled: 1 }, 0, 'failure'))).to.deep.equal(['I2'])
    expect(broken(resume(), upgrade({ unsettled: 1 }, 1, 'failure'))).to.deep.equal([])
  })
})

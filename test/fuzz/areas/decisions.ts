/** Who gets what: the router against rules that were written down independently of it. */
import fc from 'fast-check'
import { Router } from '@wazo-websocketd/edge/route/router'
import { SubscriptionIndex } from '@wazo-websocketd/edge/route/subscription-index'
import { CountingMetrics, eventOf, FakeRecipient } from '../../support/fakes/recipients.js'
import { maySee, type Event, type Token } from '../../support/reference-rights.js'
import { hold, Tally, type Area, type Subject } from '../area.js'
import { identityFor, MASTER, TENANTS, tokenOf, USERS } from '../../support/population.js'

const NAMES = ['foo', 'bar', '*', '__proto__', 'constructor'] as const
const REQUIRED = [
  'x',
  'x.u1',
  'x.u2',
  'x.me',
  'x.u.3',
  's1.a',
  'u1.a',
  'x.y.update',
  'x.toString',
  'z',
  '',
  null,
] as const
/** Sessions that come and go in one scene, events between two changes, and changes. */
const SESSIONS = 60
const EVENTS = 12
const CHANGES = 6

interface Session {
  token: Token
  readonly recipient: FakeRecipient
}

interface RandomEvent {
  readonly name: string
  readonly tenant: string | null
  readonly everyone: boolean
  readonly users: readonly string[]
  readonly acl: string | null
}

/** Sessions by number (see `sessionOf`), then events, then changes, and so on. */
interface Scene {
  readonly sessions: readonly number[]
  readonly rounds: readonly { readonly events: readonly RandomEvent[]; readonly changes: readonly number[] }[]
}

const event: fc.Arbitrary<RandomEvent> = fc.record({
  name: fc.constantFrom(...NAMES),
  tenant: fc.constantFrom(...TENANTS, ...TENANTS, null, 'nobodys'),
  everyone: fc.boolean(),
  users: fc.subarray([...USERS, 'nobody'], { maxLength: 3 }),
  acl: fc.constantFrom(...REQUIRED),
})
const number = fc.nat(1_000_000)
const scene: fc.Arbitrary<Scene> = fc.record({
  sessions: fc.array(number, { minLength: 1, maxLength: SESSIONS, size: 'max' }),
  rounds: fc.array(
    fc.record({
      events: fc.array(event, { minLength: 1, maxLength: EVENTS, size: 'max' }),
      changes: fc.array(number, { maxLength: CHANGES }),
    }),
    { minLength: 1, maxLength: 4 },
  ),
})

function sessionOf(n: number): Session {
  const token = tokenOf(n)
  const names = NAMES.filter((_, i) => ((n >> i) & 3) === 1)
  return { token, recipient: new FakeRecipient(identityFor(token), names) }
}

class Routing implements Subject<Scene> {
  readonly outcomes = new Tally()

  take({ sessions: numbers, rounds }: Scene): number {
    const index = new SubscriptionIndex()
    const router = new Router({ index, accessScope: 'tenant', metrics: new CountingMetrics() })
    const sessions = numbers.map(sessionOf)
    for (const { recipient } of sessions) index.add(recipient)
    let decisions = 0
    for (const { events, changes } of rounds) {
      for (const each of events) decisions += this.compare(each, sessions, router)
      for (const n of changes) change(n, sessions, index)
    }
    for (const { recipient } of sessions) index.remove(recipient)
    hold(index.size === 0 && index.classes.size === 0, 'something is left in the index')
    return decisions
  }

  private compare(random: RandomEvent, sessions: readonly Session[], router: Router): number {
    const { name, tenant, everyone, users, acl } = random
    const rules: Event = {
      name,
      tenant,
      everyone,
      users: new Set(users),
      acl,
      deletedSession: null,
      body: '',
    }
    router.route(eventOf({ name, tenant, everyone, users, requiredAcl: acl }))
    let delivered = 0
    for (const { token, recipient } of sessions) {
      const { got, subscriptions } = recipient
      const may = (subscriptions.has(name) || subscriptions.has('*')) && maySee(token, rules, MASTER)
      hold(
        got.length === (may ? 1 : 0),
        () => `delivered ${got.length} times, may see it: ${may}; ${JSON.stringify([random, token])}`,
      )
      delivered += got.length
      got.length = 0
    }
    this.outcomes.add('delivered', delivered)
    this.outcomes.add('withheld', sessions.length - delivered)
    return sessions.length
  }
}

/** A session leaves, comes, subscribes or gets another token. */
function change(n: number, sessions: Session[], index: SubscriptionIndex): void {
  const session = sessions[n % sessions.length]!
  const { recipient } = session
  switch (n % 4) {
    case 0:
      sessions.push(sessionOf(n >> 2))
      index.add(sessions.at(-1)!.recipient)
      break
    case 1:
      recipient.subscriptions.add(NAMES[(n >> 2) % NAMES.length]!)
      index.subscriptionChanged(recipient, NAMES[(n >> 2) % NAMES.length]!)
      break
    case 2:
      session.token = tokenOf(n >> 2)
      recipient.identity = identityFor(session.token)
      index.identityReplaced(recipient)
      break
    default:
      if (sessions.length === 1) return
      index.remove(recipient)
      sessions.splice(sessions.indexOf(session), 1)
  }
}

export const decisions: Area<Scene> = {
  name: 'decisions',
  unit: 'decisions of the router',
  total: 10_000_000,
  inputs: scene,
  open: () => Promise.resolve(new Routing()),
}

/** Why a session gets an event or does not, rule by rule. The router itself decides; this says which rule did it. Pure. */
import { compileAcl } from '@wazo-websocketd/shared/domain/acl/acl'
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Identity } from '@wazo-websocketd/shared/domain/identity'
import { EVERY_EVENT } from '@wazo-websocketd/shared/domain/protocol'
import type { Router } from '../../route/router.js'
import { isForUser, isOfTenant, isSubscribed, type AccessScope } from '../../route/rules.js'

export type RuleName = 'start' | 'name' | 'origin' | 'tenant' | 'user' | 'acl'

export interface RuleResult {
  readonly rule: RuleName
  readonly passed: boolean
  /** One line. */
  readonly why: string
}

export interface Explanation {
  readonly delivered: boolean
  /** Whether this is about a session that exists. */
  readonly inSession: boolean
  readonly rules: readonly RuleResult[]
}

export interface Subject {
  readonly identity: Identity
  /** null: there is no session; then the rule of names says so and counts as passed. */
  readonly subscriptions: ReadonlySet<string> | null
  /** Whether the session has started; true where there is none. */
  readonly started: boolean
}

export interface ExplainOptions {
  readonly router: Pick<Router, 'permits'>
  readonly accessScope: AccessScope
  /** `uuid`; null: events of every origin. */
  readonly origin: string | null
}

const EVERY_NAME: ReadonlySet<string> = new Set([EVERY_EVENT])
const SHOWN_MAX = 5
const NOT_STARTED: RuleResult = {
  rule: 'start',
  passed: false,
  why: 'the session has not started: its client has yet to send the op start',
}

/** Explains one event, which the ingest has let through, for one session. */
export function explain(
  { identity, subscriptions, started }: Subject,
  event: BusEvent,
  { router, accessScope, origin }: ExplainOptions,
): Explanation {
  const recipient = {
    identity,
    subscriptions: subscriptions ?? EVERY_NAME,
    entry: null,
    deliver: () => undefined,
  }
  return {
    delivered: started && router.permits(recipient, event),
    inSession: subscriptions !== null,
    rules: [
      ...(started ? [] : [NOT_STARTED]),
      nameRule(subscriptions, event),
      {
        rule: 'origin',
        passed: true,
        why: origin === null ? 'no uuid is configured: any origin' : `its origin is this Wazo's, ${origin}`,
      },
      tenantRule(identity, event, accessScope),
      userRule(identity, event, accessScope),
      aclRule(identity, event),
    ],
  }
}

function nameRule(subscriptions: ReadonlySet<string> | null, { name }: BusEvent): RuleResult {
  if (subscriptions === null)
    return { rule: 'name', passed: true, why: `no session here: it would have to subscribe to ${name} or *` }
  const passed = isSubscribed(subscriptions, name)
  const how = subscriptions.has(name) ? name : EVERY_EVENT
  const why = passed ? `subscribed to ${how}` : `not subscribed to ${name}: ${subscribedTo(subscriptions)}`
  return { rule: 'name', passed, why }
}

function subscribedTo(subscriptions: ReadonlySet<string>): string {
  return subscriptions.size === 0 ? 'to nothing' : `only to ${some([...subscriptions])}`
}

function tenantRule(identity: Identity, event: BusEvent, scope: AccessScope): RuleResult {
  const passed = isOfTenant(identity, event, scope)
  const of = event.tenant === null ? 'of no tenant' : `of tenant ${event.tenant}`
  const result = (why: string): RuleResult => ({ rule: 'tenant', passed, why })
  if (scope === 'acl') return result('bus.access_scope is acl: tenants do not count')
  if (identity.master) return result(`the master tenant sees every tenant; the event is ${of}`)
  if (passed) return result(`the event is ${of}, as the token`)
  if (event.tenant === null) return result('the event is of no tenant: only the master tenant sees it')
  return result(`the event is ${of}, the token of tenant ${identity.tenantUuid}`)
}

function userRule(identity: Identity, event: BusEvent, scope: AccessScope): RuleResult {
  const passed = isForUser(identity, event, scope)
  const result = (why: string): RuleResult => ({ rule: 'user', passed, why })
  if (scope === 'acl') return result('bus.access_scope is acl: users do not count')
  if (identity.admin) return result('an admin sees the events of every user')
  if (event.everyone) return result('the event is for every user (user_uuid:*)')
  if (passed) return result(`the event is for user ${identity.userUuid}`)
  const whom = event.users.length === 0 ? 'nobody (no header user_uuid:...)' : some(event.users)
  return result(`the event is for ${whom}; the token is of user ${identity.userUuid}, who is no admin`)
}

/** Each pattern is asked by itself, of the code that decides about all of them. */
function aclRule(identity: Identity, { requiredAcl, revocationOnly }: BusEvent): RuleResult {
  if (revocationOnly)
    return {
      rule: 'acl',
      passed: false,
      why: 'it has no valid required_acl: it only ends sessions, nobody gets it',
    }
  if (requiredAcl === null)
    return { rule: 'acl', passed: true, why: 'required_acl is null: everybody who passes the other rules' }
  const { acl, userUuid, sessionUuid } = identity
  const allows = (patterns: readonly string[]): boolean =>
    compileAcl(patterns).allows(requiredAcl, userUuid, sessionUuid)
  const passed = allows(acl)
  const denying = acl.find((pattern) => pattern.startsWith('!') && allows([pattern.slice(1)]))
  const allowing = acl.find((pattern) => !pattern.startsWith('!') && allows([pattern]))
  return { rule: 'acl', passed, why: aclText(passed, requiredAcl, denying, allowing, acl.length) }
}

function aclText(
  passed: boolean,
  required: string,
  denying: string | undefined,
  allowing: string | undefined,
  patterns: number,
): string {
  if (passed) return `${allowing ?? 'the ACL'} allows ${required}`
  if (denying !== undefined)
    return `${denying} denies ${required}${allowing === undefined ? '' : `, which ${allowing} would allow`}`
  if (allowing !== undefined) return `the ACL is too costly to decide about ${required}, which counts as no`
  return `none of the ${patterns} patterns of the token allows ${required}`
}

function some(names: readonly string[]): string {
  const more = names.length - SHOWN_MAX
  return names.slice(0, SHOWN_MAX).join(', ') + (more > 0 ? ` and ${more} more` : '')
}

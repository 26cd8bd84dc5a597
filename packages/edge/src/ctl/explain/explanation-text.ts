/** Explanations as lines. Pure. */
import type { BusEvent } from '@wazo-websocketd/shared/domain/event'
import type { Identity } from '@wazo-websocketd/shared/domain/identity'
import type { SessionAnswer } from '../shapes.js'
import type { Explanation, RuleResult } from './explanation.js'

/** An event with its explanation for each kind of session that the token has. */
export interface ExplainedEvent {
  /** null: the ingest drops it. */
  readonly event: BusEvent | null
  /** Why the ingest drops it; null: it does not. */
  readonly dropped: string | null
  readonly explanations: readonly Explanation[]
}

const RULE_WIDTH = 'origin'.length
const NAMES_SHOWN = 10

/** `sessions`: a text says why they are not known. */
export function sessionsLines(
  sessions: readonly SessionAnswer[] | string,
  identity: Identity,
): readonly string[] {
  if (typeof sessions === 'string') return [`sessions on this host: not known: ${sessions}`]
  if (sessions.length === 0)
    return ['sessions on this host: none. The client may be on another host, or not connected']
  return [
    `sessions on this host: ${sessions.length}`,
    ...sessions.map((session) => `  ${sessionText(session)}`),
    ...(sessions.some(({ admin, tenant }) => admin !== identity.admin || tenant !== identity.tenantUuid)
      ? ['  their rights are older than what wazo-auth says now: they follow at the next check of the token']
      : []),
  ]
}

function sessionText(session: SessionAnswer): string {
  const { worker, version, address, since, started, closing, behind, subscriptions, subscriptionCount } =
    session
  const names = subscriptions.slice(0, NAMES_SHOWN).join(', ')
  const more = subscriptionCount - Math.min(subscriptions.length, NAMES_SHOWN)
  return [
    `worker ${worker}, version ${version}, from ${address}, since ${since}`,
    ...(started ? [] : ['NOT STARTED: it gets nothing before the op start']),
    ...(closing ? ['closing'] : []),
    ...(behind > 0 ? [`${behind} offsets behind: events come late`] : []),
    subscriptionCount === 0
      ? 'subscribed to NOTHING'
      : `subscribed to ${names}${more > 0 ? ` and ${more} more` : ''}`,
  ].join(', ')
}

export function eventLines({ event, dropped, explanations }: ExplainedEvent): readonly string[] {
  if (event === null)
    return ['', `event of the file: NOBODY GETS IT: the ingest drops it, because ${dropped ?? ''}`]
  const at =
    event.receivedAt === 0
      ? 'of the file'
      : `of ${new Date(event.receivedAt).toISOString()}, offset ${event.offset}`
  return ['', `event ${event.name} ${at}: ${verdictOf(explanations)}`, ...rulesOf(explanations)]
}

function verdictOf(explanations: readonly Explanation[]): string {
  const delivered = explanations.filter((each) => each.delivered).length
  const [first] = explanations
  if (delivered === explanations.length) return first?.inSession === true ? 'DELIVERED' : 'WOULD BE DELIVERED'
  if (delivered > 0) return 'DELIVERED to some of the sessions'
  const failed = first?.rules.filter(({ passed }) => !passed).map(({ rule }) => rule) ?? []
  return `NOT DELIVERED, because of ${failed.join(', ')}`
}

/** Of several sessions the names may differ, and nothing else. */
function rulesOf(explanations: readonly Explanation[]): readonly string[] {
  const lines = explanations.flatMap(({ rules }) => rules.map(ruleLine))
  return [...new Set(lines)]
}

function ruleLine({ rule, passed, why }: RuleResult): string {
  return `  ${passed ? 'ok' : 'NO'}  ${rule.padEnd(RULE_WIDTH)}  ${why}`
}

/** Who a token is, in a few lines. The token itself stands in none of them. Pure. */
import type { Identity, TokenDetails } from '@wazo-websocketd/shared/domain/identity'
import { hashTag, hashToken } from '@wazo-websocketd/shared/runtime/token-hash'

const MINUTE_S = 60
const HOUR_S = 3600
const DAY_S = 86_400
const GROUPS_MAX = 30

export interface AclGroup {
  /** First word of its patterns. */
  readonly group: string
  readonly allow: number
  readonly deny: number
}

/** What explain tells of a token, as JSON. */
export interface TokenSummary {
  readonly token: string
  readonly user: string
  readonly tenant: string
  readonly kind: 'master tenant' | 'admin' | 'user'
  readonly expiresAt: string
  readonly secondsLeft: number
  readonly patterns: number
  readonly groups: readonly AclGroup[]
}

/** @param now wazo-auth's time, milliseconds of Unix time */
export function summarise(details: TokenDetails, identity: Identity, now: number): TokenSummary {
  return {
    token: hashTag(hashToken(details.token)),
    user: details.userUuid,
    tenant: details.tenantUuid,
    kind: identity.master ? 'master tenant' : identity.admin ? 'admin' : 'user',
    expiresAt: new Date(details.expiresAt).toISOString(),
    secondsLeft: Math.round((details.expiresAt - now) / 1000),
    patterns: details.acl.length,
    groups: groupsOf(details.acl),
  }
}

export function tokenLines(token: TokenSummary): readonly string[] {
  const { kind, secondsLeft } = token
  const life = secondsLeft > 0 ? `expires in ${duration(secondsLeft)}` : 'has expired'
  const groups = token.groups.slice(0, GROUPS_MAX).map(({ group, allow, deny }) => {
    const counts = [...(allow > 0 ? [`${allow}`] : []), ...(deny > 0 ? [`${deny} that deny`] : [])]
    return `  ${group}: ${counts.join(', ')}`
  })
  const more = token.groups.length - groups.length
  return [
    `token ${token.token}: ${life}, ${token.expiresAt}`,
    `user ${token.user} of tenant ${token.tenant}`,
    `sees ${SEES[kind]}`,
    `ACL of ${token.patterns} patterns, by their first word:`,
    ...groups,
    ...(more > 0 ? [`  and ${more} more`] : []),
  ]
}

const SEES: Readonly<Record<TokenSummary['kind'], string>> = {
  'master tenant': 'the events of every tenant: it is of the master tenant',
  admin:
    'the events of every user of its tenant: it is an admin (metadata.admin, or an internal or external_api token)',
  user: 'the events for its user, and those for every user of its tenant',
}

function groupsOf(acl: readonly string[]): readonly AclGroup[] {
  const groups = new Map<string, { allow: number; deny: number }>()
  for (const pattern of acl) {
    const deny = pattern.startsWith('!')
    const group = pattern.slice(deny ? 1 : 0).split('.', 1)[0] ?? ''
    let counts = groups.get(group)
    if (counts === undefined) groups.set(group, (counts = { allow: 0, deny: 0 }))
    counts[deny ? 'deny' : 'allow']++
  }
  return [...groups]
    .map(([group, counts]) => ({ group, ...counts }))
    .sort((a, b) => b.allow + b.deny - a.allow - a.deny)
}

/** Two units at most: `1 h 12 min`. */
export function duration(seconds: number): string {
  const s = Math.max(0, Math.round(seconds))
  if (s < MINUTE_S) return `${s} s`
  if (s < HOUR_S) return `${Math.floor(s / MINUTE_S)} min ${s % MINUTE_S} s`
  if (s < DAY_S) return `${Math.floor(s / HOUR_S)} h ${Math.floor((s % HOUR_S) / MINUTE_S)} min`
  return `${Math.floor(s / DAY_S)} d ${Math.floor((s % DAY_S) / HOUR_S)} h`
}

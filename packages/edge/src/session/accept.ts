import { NO_TOKEN, protocolError, type Close } from '@wazo-websocketd/shared/domain/close'
import type { ProtocolVersion } from '@wazo-websocketd/shared/domain/protocol'
import type { RejectReason } from './metrics.js'
import type { UpgradeRequest } from './ports.js'

/** What an upgrade asks for, or why it is turned away. `resume`: the position presented, empty for none; null: no positions. */
export type Acceptance =
  | { readonly version: ProtocolVersion; readonly token: string; readonly resume: string | null }
  | { readonly close: Close; readonly reason: RejectReason }

const VERSIONS: ReadonlyMap<string, ProtocolVersion> = new Map([
  ['1', 1],
  ['2', 2],
])

/**
 * Reads version, token and position of an upgrade request. Of each the first non-empty occurrence in the query counts
 * (C1.4, C7.2), the header only where the query has no token (C1.7), and the version is judged first (C1.13). A malformed
 * percent-encoding is taken as the text it is; it never throws.
 */
export function accept(request: UpgradeRequest): Acceptance {
  const queryAt = request.url.indexOf('?')
  const query = new URLSearchParams(queryAt === -1 ? '' : withoutFragment(request.url.slice(queryAt + 1)))
  const version = VERSIONS.get(firstNonEmpty(query, 'version') ?? '1')
  if (version === undefined) return { close: protocolError('unsupported version'), reason: 'version' }
  const token = firstNonEmpty(query, 'token') ?? request.tokenHeader
  if (token === undefined || token === '') return { close: NO_TOKEN, reason: 'no-token' }
  const resumes = version === 2 && query.has('resume')
  return {
    version,
    token: copyOf(token),
    resume: resumes ? copyOf(firstNonEmpty(query, 'resume') ?? '') : null,
  }
}

/** Copies, because a slice would keep the whole query in memory for as long as it lives. */
function copyOf(text: string): string {
  return Buffer.from(text, 'utf16le').toString('utf16le')
}

function withoutFragment(query: string): string {
  const at = query.indexOf('#')
  return at === -1 ? query : query.slice(0, at)
}

function firstNonEmpty(query: URLSearchParams, name: string): string | undefined {
  return query.getAll(name).find((value) => value !== '')
}

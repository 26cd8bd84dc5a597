/** wazo-auth as a worker meets it. */
import type { AuthClient, ServiceCredentials } from '../../auth/client.js'
import { error, ok, warning, type Finding } from '../finding.js'

const CHECK = 'wazo-auth'
const CLOCK_MS_MAX = 2_000

export interface AuthCheckOptions {
  readonly client: Pick<AuthClient, 'createToken'>
  /** null: there are none, which another check says. */
  readonly credentials: ServiceCredentials | null
  /** Where wazo-auth is, for the line. */
  readonly url: string
  /** wazo-auth's time minus this machine's, and by how much that may be wrong, milliseconds. */
  readonly offset: () => { readonly ms: number; readonly uncertainty: number }
}

/** Asks for a token of the service, as each host does: it names the master tenant. */
export async function checkAuth({
  client,
  credentials,
  url,
  offset,
}: AuthCheckOptions): Promise<readonly Finding[]> {
  if (credentials === null) return []
  const answer = await client.createToken(credentials)
  if (answer.kind === 'unavailable')
    return [
      error(
        CHECK,
        `${url} gives no token: ${answer.why}`,
        'start wazo-auth, or correct auth.host, auth.port, auth.https',
      ),
    ]
  if (answer.kind === 'refused')
    return [
      answer.status === 401
        ? error(
            CHECK,
            `${url} refuses user ${credentials.username}`,
            'correct auth.key_file, or auth.username and auth.password (wazo-auth-keys service update)',
          )
        : error(
            CHECK,
            `${url} answers status ${answer.status}`,
            'correct auth.host, auth.port and auth.prefix',
          ),
    ]
  return [
    ok(CHECK, `${url} takes the credentials; master tenant ${answer.token.tenantUuid}`),
    authClockFinding(offset()),
  ]
}

function authClockFinding({ ms, uncertainty }: { ms: number; uncertainty: number }): Finding {
  const off = Math.abs(ms) - uncertainty
  return off <= CLOCK_MS_MAX
    ? ok('clock', `wazo-auth's clock is this machine's, to ${Math.round(uncertainty)} ms`)
    : warning(
        'clock',
        `wazo-auth's clock is ${(Math.abs(ms) / 1000).toFixed(1)} s ${ms > 0 ? 'ahead of' : 'behind'} this machine's; tokens live by wazo-auth's`,
        'have all hosts keep time (chrony, systemd-timesyncd)',
      )
}

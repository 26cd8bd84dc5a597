import type { TokenDetails } from './auth.js'
import { LEGACY_EXCHANGE, wazoEvent, type BusMessage } from './bus.js'

/** `auth_session_deleted` as wazo-auth publishes it when the token is deleted. */
export function sessionDeleted(
  token: Pick<TokenDetails, 'session_uuid' | 'metadata'>,
): BusMessage & { body: string } {
  const { session_uuid: session, metadata } = token
  const event = wazoEvent({
    name: 'auth_session_deleted',
    tenant: metadata.tenant_uuid,
    users: [metadata.uuid],
    acl: `events.auth.sessions.${session}.deleted`,
    data: { uuid: session, user_uuid: metadata.uuid, tenant_uuid: metadata.tenant_uuid },
  })
  return {
    ...event,
    headers: { ...event.headers, session_uuid: session },
    exchange: LEGACY_EXCHANGE,
    routingKey: `auth.sessions.${session}.deleted`,
  }
}

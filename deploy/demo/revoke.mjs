/** Says on the bus, as wazo-auth does, that a token was deleted. */
import { connect } from 'amqplib'

const EXCHANGE = 'wazo-headers'
const NAME = 'auth_session_deleted'

/**
 * @param {string} amqpUrl
 * @param {{ session_uuid: string, metadata: { uuid: string, tenant_uuid: string }, origin: string }} token
 */
export async function publishSessionDeleted(amqpUrl, { session_uuid: session, metadata, origin }) {
  const headers = {
    name: NAME,
    origin_uuid: origin,
    tenant_uuid: metadata.tenant_uuid,
    [`user_uuid:${metadata.uuid}`]: true,
    required_acl: `events.auth.sessions.${session}.deleted`,
  }
  const data = { uuid: session, user_uuid: metadata.uuid, tenant_uuid: metadata.tenant_uuid }
  const connection = await connect(amqpUrl)
  try {
    const channel = await connection.createConfirmChannel()
    channel.publish(EXCHANGE, '', Buffer.from(JSON.stringify({ ...headers, data })), {
      headers,
      contentType: 'application/json',
    })
    await channel.waitForConfirms()
  } finally {
    await connection.close()
  }
}

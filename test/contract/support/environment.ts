/** What the suite reads from the environment. */

/** Where the server under test and its neighbours are, when not started by the suite itself. */
export const GIVEN = {
  wsUrl: process.env['CONTRACT_WS_URL'],
  amqpUrl: process.env['CONTRACT_AMQP_URL'],
  authUrl: process.env['CONTRACT_AUTH_URL'],
}

/** The uuid (`XIVO_UUID`) that the server under test is configured with. */
export const WAZO_UUID = process.env['CONTRACT_WAZO_UUID'] ?? 'ca7f87e9-c2c8-5fad-ba1b-c3140ebb9be3'

/** How long to wait for what must come, in milliseconds. */
export const PATIENCE_MS = Number(process.env['CONTRACT_PATIENCE_MS'] ?? 4000)

/** How long a server may take to give up on wazo-auth, in milliseconds. */
export const AUTH_DEADLINE_MS = Number(process.env['CONTRACT_AUTH_DEADLINE_MS'] ?? 10_000)

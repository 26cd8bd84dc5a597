/** Publishes events as the daemons of a Wazo do: transient, without a message id, everything in the headers. */
import { readFileSync } from 'node:fs'
import { connect, type Channel, type ConfirmChannel } from 'amqplib'

/** What goes to the bus. */
export interface Publication {
  readonly exchange: string
  readonly routingKey: string
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: Buffer
}

/** One of the real events in packages/ingest/samples/events.json. */
export interface Template {
  readonly name: string
  readonly scope: string
  readonly exchange: string
  readonly routing_key: string
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: Readonly<Record<string, unknown>>
}

export interface TemplateIds {
  readonly user?: string
  readonly tenant?: string
  readonly session?: string
  readonly origin?: string
}

export interface EventSpec {
  readonly name: string
  /** null or absent: a service event. */
  readonly tenant?: string | null
  readonly users?: readonly string[]
  /** `user_uuid:*` */
  readonly everyone?: boolean
  /** Absent: the key is missing everywhere. */
  readonly requiredAcl?: unknown
  readonly origin?: string
  readonly data?: unknown
  readonly exchange?: string
  readonly routingKey?: string
  /** Added to the headers only. */
  readonly headers?: Readonly<Record<string, unknown>>
  /** The bytes instead of the body made from the keys above. */
  readonly body?: string | Buffer
}

export const HEADERS_EXCHANGE = 'wazo-headers'
export const LEGACY_EXCHANGE = 'xivo'
/** The ids in the templates. */
export const TEMPLATE_IDS = {
  user: '07e350b5-cb5f-4b5f-b6f0-7d1cd2c1e9a1',
  tenant: '2c34c282-433e-4bb8-8d56-fec14ff7e1e9',
  session: '5f0e1a2b-3c4d-4e5f-8a6b-7c8d9e0f1a2b',
  origin: 'ca7f87e9-c2c8-5fad-ba1b-c3140ebb9be3',
} as const
const TEMPLATE_TIME = '2026-11-24T10:15:30.123456'

/** All templates, in the order of the file. */
export const templates = JSON.parse(
  readFileSync(new URL('../../packages/ingest/samples/events.json', import.meta.url), 'utf8'),
) as readonly Template[]

/** A template with other ids and the present time. Throws when no template has that name. */
export function fromTemplate(name: string, ids: TemplateIds = {}): Publication {
  const template = templates.find((candidate) => candidate.name === name)
  if (template === undefined) throw new Error(`no template named ${name}`)
  let text = JSON.stringify(template).replaceAll(TEMPLATE_TIME, timestamp())
  for (const key of ['user', 'tenant', 'session', 'origin'] as const) {
    const id = ids[key]
    if (id !== undefined) text = text.replaceAll(TEMPLATE_IDS[key], id)
  }
  const { exchange, routing_key: routingKey, headers, body } = JSON.parse(text) as Template
  return { exchange, routingKey, headers, body: Buffer.from(JSON.stringify(body)) }
}

/** An event of one's own; the body repeats the headers next to `data`, as Wazo's do. */
export function customEvent(spec: EventSpec): Publication {
  const common: Record<string, unknown> = { name: spec.name, timestamp: timestamp() }
  if (spec.origin !== undefined) common['origin_uuid'] = spec.origin
  if (spec.tenant !== undefined && spec.tenant !== null) common['tenant_uuid'] = spec.tenant
  if (spec.requiredAcl !== undefined) common['required_acl'] = spec.requiredAcl
  if (spec.everyone === true) common['user_uuid:*'] = true
  for (const user of spec.users ?? []) common[`user_uuid:${user}`] = true
  const body = spec.body ?? JSON.stringify({ ...common, data: spec.data ?? {} })
  return {
    exchange: spec.exchange ?? HEADERS_EXCHANGE,
    routingKey: spec.routingKey ?? '',
    headers: { ...common, ...spec.headers },
    body: Buffer.from(body),
  }
}

/** What wazo-auth publishes when a token is deleted or has expired; takes the token's details as it describes them. */
export function sessionDeleted(details: {
  session_uuid: string
  metadata: { uuid: string; tenant_uuid: string }
}): Publication {
  const { session_uuid: session, metadata } = details
  return fromTemplate('auth_session_deleted', { session, user: metadata.uuid, tenant: metadata.tenant_uuid })
}

function timestamp(): string {
  return new Date().toISOString().replace('Z', '000')
}

/** A connection that publishes; `send` does not wait, `flush` waits until the broker has everything, as far as it says. */
export interface Publisher {
  send(...publications: readonly Publication[]): void
  flush(): Promise<void>
  /** `send` and `flush`. */
  publish(...publications: readonly Publication[]): Promise<void>
  /** `publish` of `sessionDeleted`. */
  publishSessionDeleted(details: Parameters<typeof sessionDeleted>[0]): Promise<void>
  close(): Promise<void>
}

/**
 * Connects to `url` and declares both of Wazo's exchanges. Without confirms, as Wazo's daemons publish, the broker may
 * lose what it has been sent, and `flush` waits only until it has read it.
 */
export async function openPublisher(url: string, { confirms = true } = {}): Promise<Publisher> {
  const { hostname, port, username, password, pathname } = new URL(url)
  const connection = await connect(
    {
      hostname,
      port: port === '' ? 5672 : Number(port),
      username: decodeURIComponent(username),
      password: decodeURIComponent(password),
      vhost: pathname === '' || pathname === '/' ? '/' : decodeURIComponent(pathname.slice(1)),
      heartbeat: 30,
    },
    { noDelay: true },
  )
  connection.on('error', () => {}) // a test that ends its broker sees it by what it waits for
  const channel = confirms ? await connection.createConfirmChannel() : await connection.createChannel()
  channel.on('error', () => {})
  await channel.assertExchange(HEADERS_EXCHANGE, 'headers', { durable: true })
  await channel.assertExchange(LEGACY_EXCHANGE, 'topic', { durable: true })
  return publisherOf(channel, () => connection.close())
}

function publisherOf(channel: Channel | ConfirmChannel, disconnect: () => Promise<void>): Publisher {
  const flush = async (): Promise<void> => {
    if ('waitForConfirms' in channel) await channel.waitForConfirms()
    else await channel.checkExchange(HEADERS_EXCHANGE)
  }
  const send = (...publications: readonly Publication[]): void => {
    for (const { exchange, routingKey, headers, body } of publications)
      channel.publish(exchange, routingKey, body, {
        headers: { ...headers },
        contentType: 'application/json',
        contentEncoding: 'utf-8',
        persistent: false,
        timestamp: Math.floor(Date.now() / 1000),
      })
  }
  const publish = async (...publications: readonly Publication[]): Promise<void> => {
    send(...publications)
    await flush()
  }
  return {
    send,
    flush,
    publish,
    publishSessionDeleted: (details) => publish(sessionDeleted(details)),
    close: disconnect,
  }
}

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Ajv, type AnySchema } from 'ajv'
import formats from 'ajv-formats'
import { expect } from 'chai'
import { WebSocket } from 'ws'
import { parse } from 'yaml'
import { Cluster } from '../support/cluster.js'
import { customEvent } from '../support/publish.js'

interface Message {
  readonly payload: AnySchema
  readonly examples: readonly [{ readonly payload: Record<string, unknown> }]
}

interface Document {
  readonly components: { readonly messages: Readonly<Record<string, Message>> }
}

/** An op of a client, and the message that the document has as its reply. */
type Exchange = readonly [op: string, reply: string]

const document = parse(readFileSync(new URL('../../docs/asyncapi.yaml', import.meta.url), 'utf8')) as Document
const schema = createRequire(import.meta.url)('@asyncapi/specs/schemas/3.0.0.json') as object
const { messages } = document.components
const example = (name: string) => messages[name]!.examples[0].payload
const POSITION = '<position>'

/** The text with a position of the server's replaced by that of the examples. */
const withoutPosition = (text: string) => text.replace(/"id":"[^"]+"/, `"id":"${POSITION}"`)

describe('docs/asyncapi.yaml', function () {
  this.timeout(60_000)

  it('is an AsyncAPI 3 document', () => {
    // The schema brings draft 7 of JSON Schema along.
    const ajv = new Ajv({ strict: false, allErrors: true, meta: false, validateSchema: false })
    formats.default(ajv)
    const validate = ajv.compile(schema)
    validate(document)
    expect(validate.errors ?? []).to.deep.equal([])
    expect(validate({ ...document, operations: { broken: { action: 'neither' } } })).to.equal(false)
  })

  it('has examples that are as it says itself', () => {
    const ajv = new Ajv({ strict: false })
    for (const [name, { payload, examples }] of Object.entries(messages)) {
      expect(examples, name).to.have.length(1)
      expect(ajv.validate(payload, examples[0].payload), `${name}: ${ajv.errorsText()}`).to.equal(true)
    }
  })

  describe('has the messages of the server:', () => {
    const event = example('event')['data'] as Record<string, unknown>
    const tenant = event['tenant_uuid'] as string
    const user = Object.keys(event)
      .find((key) => key.startsWith('user_uuid:'))!
      .slice('user_uuid:'.length)
    const seen = new Set<string>()
    let cluster: Cluster

    before(async () => {
      cluster = await Cluster.start({ name: 'asyncapi', edges: 1, workers: 1 })
    })

    after(() => cluster.stop())

    const mint = () =>
      cluster.auth.mint({ user, tenant, acl: ['websocketd', 'events.config.users.me.#'] }).token

    /** What the server sends in such a session is, byte for byte, what the document says. */
    async function converse(query: string, init: string, exchanges: readonly Exchange[], eventName: string) {
      const session = cluster.connect(mint(), query === '' ? {} : { query })
      const expectNext = async (name: string) => {
        expect(withoutPosition(await session.nextText()), name).to.equal(JSON.stringify(example(name)))
        seen.add(name)
      }
      await expectNext(init)
      for (const [op, reply] of exchanges) {
        const sent = example(op)
        session.send(op === 'token' ? { ...sent, data: { token: mint() } } : sent)
        seen.add(op)
        if (op === 'subscribe') session.send({ op, data: { event_name: event['name'] } })
        await expectNext(reply)
        if (op === 'subscribe') await expectNext(reply)
      }
      const publication = customEvent({ name: event['name'] as string, body: JSON.stringify(event) })
      const headers = Object.fromEntries(Object.entries(event).filter(([key]) => key !== 'data'))
      await cluster.publisher.publish({ ...publication, headers })
      const text = await session.nextText()
      expect(withoutPosition(text)).to.equal(JSON.stringify(example(eventName)))
      seen.add(eventName)
      await session.close()
      return (JSON.parse(text) as { id?: string }).id
    }

    const OPS: readonly Exchange[] = [
      ['subscribe', 'subscribed'],
      ['ping', 'pong'],
      ['token', 'tokenTaken'],
    ]

    it('without positions', () =>
      converse('', 'init', [...OPS, ['start', 'started']], 'event').then((id) =>
        expect(id).to.equal(undefined),
      ))

    it('with positions, the first time and again', async () => {
      const first = await converse(
        'resume=',
        'initWithPositions',
        [...OPS, ['start', 'notResumed']],
        'eventWithPosition',
      )
      const query = `resume=${encodeURIComponent(first!)}`
      const second = await converse(
        query,
        'initWithPositions',
        [...OPS, ['start', 'resumed']],
        'eventWithPosition',
      )
      expect(second).not.to.equal(first)
    })

    it('all of them', () => {
      expect([...seen].sort()).to.deep.equal(Object.keys(messages).sort())
    })

    it('and answers with the first sub-protocol that a client offers, as PROTOCOL.md says', async () => {
      const socket = new WebSocket(`${cluster.edges[0]!.url}/?token=${mint()}`, ['a', 'b'])
      await once(socket, 'open')
      expect(socket.protocol).to.equal('a')
      socket.terminate()
    })
  })
})

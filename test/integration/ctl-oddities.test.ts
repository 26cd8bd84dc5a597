import { createServer, type Server } from 'node:http'
import { join } from 'node:path'
import { once } from 'node:events'
import { expect } from 'chai'
import { runCtl, writeConfigFile } from '../support/ctl.js'
import { temporaryDirectory } from '../support/guard.mjs'
import { freePort } from '../support/port.mjs'

const NEW_EDGE = { program: 'wazo-websocketd-edge', missing: [] }

describe('wazo-websocketd-ctl where nothing is as it should be', function () {
  this.timeout(60_000)
  let configFile: string
  let socket: string
  let server: Server
  let answer: { status: number; body: string }

  before(async () => {
    socket = join(await temporaryDirectory('ctl-oddities'), 'edge.sock')
    server = createServer((_, response) => response.writeHead(answer.status).end(answer.body)).listen(socket)
    await once(server, 'listening')
    const [redis, bus, auth, edge_port, ingest_port] = await Promise.all(Array.from({ length: 5 }, freePort))
    configFile = await writeConfigFile({
      redis: { url: `redis://127.0.0.1:${redis}` },
      bus: { host: '127.0.0.1', port: bus },
      auth: { host: '127.0.0.1', port: auth, username: 'a', password: 'b' },
      metrics: { edge_port, ingest_port },
    })
  })
  after(() => server.close())

  const ctl = (...args: string[]) => runCtl(args, { configFile })
  const odd = (status: number, body: unknown, ...args: string[]) => {
    answer = { status, body: typeof body === 'string' ? body : JSON.stringify(body) }
    return ctl(...args, '--socket', socket)
  }

  it('explain says that wazo-auth does not answer', async () => {
    const { status, out, err } = await ctl('explain', '--token', 'abc')
    expect([status, out]).to.deep.equal([1, ''])
    expect(err).to.match(/^wazo-websocketd-ctl: wazo-auth at .* does not answer about tokens.*\n$/)
  })

  it('doctor says no better status where its answer cannot be written', async () => {
    const { status, err } = await runCtl(['doctor'], { configFile, output: '/dev/full' })
    expect(status).to.equal(2)
    expect(err).to.equal('wazo-websocketd-ctl: cannot write the answer: no space left on the disk\n')
  })

  for (const [command, body] of [
    ['sessions', []],
    ['sessions', { sessions: [1], matched: 1, unanswered: [] }],
    ['sessions --close 1012 --all', null],
    ['sessions --close 1012 --all', {}],
    ['upgrade', { result: 'success' }],
  ] as const)
    it(`${command} does not take ${JSON.stringify(body)} for an answer`, async () => {
      const { status, out, err } = await odd(200, body, ...command.split(' '))
      expect([status, out]).to.deep.equal([1, ''])
      expect(err).to.equal('wazo-websocketd-ctl: the edge is of another release than this tool\n')
    })

  for (const body of [
    { ...NEW_EDGE, workers: [], upgrade: {} },
    { ...NEW_EDGE, workers: [{ status: {} }], upgrade: { last: null } },
    { ...NEW_EDGE, workers: [null], upgrade: { last: null } },
  ])
    it(`status does not take ${JSON.stringify(body)} for an answer`, async () => {
      const { status, out, err } = await odd(200, body, 'status')
      expect([status, err]).to.deep.equal([1, ''])
      expect(out).to.match(/^edge here: the edge is of another release than this tool$/m)
    })

  for (const [body, why] of [
    ['null', 'status 500'],
    ['[]', 'status 500'],
    ['<html>', 'what answers there is no wazo-websocketd \\(status 500\\)'],
  ] as const)
    it(`an error that is ${body} is told in a line`, async () => {
      const { status, err } = await odd(500, body, 'upgrade')
      expect(status).to.equal(1)
      expect(err).to.match(new RegExp(`^wazo-websocketd-ctl: ${why}\n$`))
    })
})

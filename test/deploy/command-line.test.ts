import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { Cluster, type Token } from '../support/cluster.js'
import { temporaryDirectory } from '../support/guard.mjs'
import { startNginx } from '../support/nginx.js'
import { freePort } from '../support/port.mjs'
import { programCommand } from '../support/program.mjs'
import { customEvent } from '../support/publish.js'
import { waitFor } from '../support/wait.mjs'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const USER = '2f0b9a4e-51a6-4f0c-9a5d-0c3a3f6ab001'
const TENANT = '2f0b9a4e-51a6-4f0c-9a5d-0c3a3f6ab002'

interface Run {
  readonly pid: number
  readonly out: () => string
  readonly err: () => string
  readonly lines: () => Record<string, unknown>[]
  readonly kill: (signal: NodeJS.Signals) => void
  readonly status: Promise<number | null>
}

/** Starts a command line program, with `input` on its standard input. */
function run(
  name: 'tail' | 'publish',
  args: readonly string[],
  input = '',
  env: NodeJS.ProcessEnv = {},
): Run {
  const { command, args: base } = programCommand(name)
  const child = spawn(command, [...base, ...args], {
    cwd: ROOT,
    env: { ...process.env, NODE_OPTIONS: '', WAZO_TOKEN: '', ...env },
  })
  let [out, err] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (out += chunk))
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (err += chunk))
  child.stdin.end(input)
  return {
    pid: child.pid!,
    out: () => out,
    err: () => err,
    lines: () =>
      out
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as Record<string, unknown>),
    kill: (signal) => child.kill(signal),
    status: once(child, 'close').then(([code]) => code as number | null),
  }
}

describe('The command line', function () {
  this.timeout(60_000)
  let cluster: Cluster
  let url: string
  let token: Token
  const secrets: string[] = ['s3cret-passw0rd']
  const runs: Run[] = []

  before(async () => {
    cluster = await Cluster.start({
      name: 'command-line',
      edges: 1,
      workers: 1,
      config: { drain: { handover: false } },
    })
    url = cluster.edges[0]!.url
    token = mint()
  })

  after(() => cluster.stop())

  afterEach('no secret in any output', () => {
    for (const { out, err } of runs.splice(0))
      for (const secret of secrets) expect(out() + err()).not.to.contain(secret)
  })

  function mint(): Token {
    const minted = cluster.auth.mint({ user: USER, tenant: TENANT, acl: ['websocketd', 'events.calls.me'] })
    secrets.push(minted.token)
    return minted
  }

  const tail = (
    args: readonly string[],
    input?: string,
    env: NodeJS.ProcessEnv = { WAZO_TOKEN: token.token },
  ) => {
    const started = run('tail', ['--url', url, ...args], input, env)
    runs.push(started)
    return started
  }
  const publish = (args: readonly string[], input?: string) =>
    run('publish', ['--amqp-url', cluster.amqpUrl, '--tenant', TENANT, '--user', USER, ...args], input)
  const connected = ({ err }: Run) =>
    waitFor(() => /connected to/.test(err()), { timeoutMs: 20_000, what: 'the tail to be connected' })
  const send = (n: number) =>
    cluster.publisher.publish(
      customEvent({ name: 'counted', tenant: TENANT, users: [USER], requiredAcl: null, data: { n } }),
    )

  it('publishes a recorded event, which its user sees as it was published', async () => {
    const seen = tail(['--count', '1', 'call_created'])
    await connected(seen)
    const sent = publish(['call_ended', 'call_created'])
    expect(await sent.status, sent.err()).to.equal(0)
    expect(sent.err()).to.match(
      /: 2 events in .*, 2 confirmed\n.*confirms: p50 [\d.]+ ms, .*max [\d.]+ ms\n$/s,
    )
    expect(await seen.status, seen.err()).to.equal(0)
    const [body] = seen.lines()
    expect(body).to.include({
      name: 'call_created',
      tenant_uuid: TENANT,
      required_acl: `events.calls.${USER}`,
    })
    expect(seen.err()).to.match(/: 1 events\n.*latency from the body's timestamp: p50 [\d.]+ ms/)
  })

  it('publishes events of a file, as fast as it is told, and prints them by a filter', async () => {
    const seen = tail(['--filter', 'data.n=2', '--filter', 'name=mine', '--count', '3'])
    await connected(seen)
    const events = [1, 2].map((n) => JSON.stringify({ name: 'mine', data: { n } })).join('\n')
    const begin = performance.now()
    const sent = publish(['--file', '-', '--acl', 'null', '--rate', '200', '--for', '1'], events)
    expect(await sent.status, sent.err()).to.equal(0)
    expect(performance.now() - begin).to.be.greaterThan(1000)
    expect(sent.err()).to.match(/: 200 events in 1\.\d s .*, 200 confirmed/)
    expect(await seen.status, seen.err()).to.equal(0)
    expect(seen.lines().map(({ data }) => data)).to.deep.equal([{ n: 2 }, { n: 2 }, { n: 2 }])
    expect(seen.err()).to.match(/3 of them filtered out/)
  })

  it('prints with --pretty what someone can read', async () => {
    const seen = tail(['--pretty', '--count', '1', 'counted'])
    await connected(seen)
    await send(1)
    expect(await seen.status).to.equal(0)
    expect(seen.out()).to.match(/^\d{4}-\S+ {2}counted\n\{\n {2}"n": 1\n\}\n\n$/)
  })

  it('goes on where it was after killed workers and after 1012, each event once', async () => {
    const seen = tail(['counted'])
    await connected(seen)
    const sent: number[] = []
    const burst = async (): Promise<void> => {
      for (let i = 0; i < 50; i++) {
        await send(sent.length)
        sent.push(sent.length)
        await sleep(10)
      }
    }
    const edge = cluster.edges[0]!
    const old = edge.workerPids()
    await burst()
    for (const pid of old) process.kill(pid, 'SIGKILL')
    await burst()
    const again = (times: number) =>
      waitFor(() => seen.err().split('nothing is missing').length > times, {
        timeoutMs: 30_000,
        what: 'the tail to come back',
      })
    await again(1)
    edge.program.kill('SIGHUP')
    await burst()
    await again(2)
    await waitFor(() => seen.lines().length >= sent.length, { timeoutMs: 15_000, what: 'every event' })
    seen.kill('SIGINT')
    expect(await seen.status).to.equal(130)
    expect(seen.lines().map(({ data }) => (data as { n: number }).n)).to.deep.equal(sent)
    expect(seen.err())
      .to.match(/1006 .*connecting again/)
      .and.to.match(/1012 service restart; connecting again/)
    expect(seen.err()).to.match(/: 150 events in .*, 2 reconnects\n/)
  })

  it('connects through nginx and TLS, by an authority of its own', async () => {
    const nginx = await startNginx('single', [cluster.edges[0]!.port])
    try {
      const authority = join(await temporaryDirectory('authority'), 'ca.pem')
      await writeFile(authority, nginx.certificate)
      const args = ['--url', `wss://127.0.0.1:${nginx.port}/api/websocketd/`, '--count', '1', 'counted']
      const env = { WAZO_TOKEN: token.token }
      const trusting = run('tail', args, '', { ...env, NODE_EXTRA_CA_CERTS: authority })
      await connected(trusting)
      await send(1)
      expect(await trusting.status, trusting.err()).to.equal(0)
      const strict = run('tail', [...args, '--no-reconnect'], '', env)
      expect(await strict.status).to.equal(16)
      expect(strict.err()).to.match(/ended: 1006 \w*(SELF_SIGNED|UNABLE_TO_VERIFY)\w*\n$/)
      runs.push(trusting, strict)
    } finally {
      await nginx.stop()
    }
  })

  it('ends quietly when nobody reads on', async () => {
    const { command, args } = programCommand('tail')
    const quoted = [command, ...args, '--url', url, 'counted'].map((word) => `'${word}'`).join(' ')
    const shell = spawn('bash', ['-c', `set -o pipefail; ${quoted} | head -n 1; echo "status $?"`], {
      cwd: ROOT,
      env: { ...process.env, NODE_OPTIONS: '', WAZO_TOKEN: token.token },
    })
    let [out, err] = ['', '']
    shell.stdout.setEncoding('utf8').on('data', (chunk: string) => (out += chunk))
    shell.stderr.setEncoding('utf8').on('data', (chunk: string) => (err += chunk))
    const closed = once(shell, 'close')
    await waitFor(() => err.includes('connected to'), { timeoutMs: 20_000, what: 'the tail to be connected' })
    while (shell.exitCode === null) {
      await send(1)
      await sleep(100)
    }
    await closed
    expect(out).to.match(/^\{.*\}\nstatus 0\n$/)
    expect(err).not.to.match(/EPIPE|Error/)
  })

  it('logs in, and logs in again when its token is deleted', async () => {
    cluster.auth.addUser('alice', secrets[0]!, { user: USER, tenant: TENANT, acl: ['websocketd'] })
    const login = ['--username', 'alice', '--auth-url', cluster.auth.url]
    const seen = tail([...login, '--count', '2', 'counted'], `${secrets[0]!}\n`, {})
    await connected(seen)
    await send(1)
    await waitFor(() => seen.lines().length === 1, { what: 'the first event' })
    await cluster.publisher.publishSessionDeleted(lastLogin())
    await waitFor(() => seen.err().includes('nothing is missing'), {
      timeoutMs: 20_000,
      what: 'another token',
    })
    await send(2)
    expect(await seen.status, seen.err()).to.equal(0)
    expect(seen.err()).to.contain('4003 authentication expired; connecting again')
    const wrong = tail([...login], 'wrong\n', {})
    expect(await wrong.status).to.equal(1)
    expect(wrong.err()).to.match(/wazo-auth at 127\.0\.0\.1:\d+ refuses user alice, or the password\n$/)
  })

  it('does not try on and on when the next token is refused, too', async () => {
    const user = { user: USER, tenant: TENANT }
    cluster.auth.addUser('carol', secrets[0]!, { ...user, acl: ['websocketd'] })
    const login = ['--username', 'carol', '--auth-url', cluster.auth.url]
    const seen = tail([...login, 'counted'], `${secrets[0]!}\n`, {})
    await connected(seen)
    cluster.auth.addUser('carol', secrets[0]!, { ...user, acl: ['nothing'] })
    await cluster.publisher.publishSessionDeleted(lastLogin())
    expect(await seen.status, seen.err()).to.equal(42)
    expect(seen.err()).to.match(
      /4003 authentication expired; connecting again[^]*ended: 4002 authentication failed\n$/,
    )
  })

  it('asks for the password in a terminal, and does not show it', async () => {
    const { command, args } = programCommand('tail')
    const words = [
      command,
      ...args,
      '--url',
      url,
      '--username',
      'bob',
      '--auth-url',
      cluster.auth.url,
      '--count',
      '1',
    ]
    const line = words.map((word) => `'${word}'`).join(' ')
    cluster.auth.addUser('bob', secrets[0]!, { user: USER, tenant: TENANT, acl: ['websocketd'] })
    const terminal = spawn('script', ['-qec', line, '/dev/null'], {
      cwd: ROOT,
      env: { ...process.env, NODE_OPTIONS: '', WAZO_TOKEN: '' },
    })
    let shown = ''
    terminal.stdout.setEncoding('utf8').on('data', (chunk: string) => (shown += chunk))
    const until = (text: string) =>
      waitFor(() => shown.includes(text), { timeoutMs: 20_000, what: `"${text}" in ${shown}` })
    await until('Password of bob at ')
    terminal.stdin.write(`${secrets[0]!}\r`)
    await until('connected to')
    const closed = once(terminal, 'close')
    await send(1)
    expect(await closed).to.deep.equal([0, null])
    expect(shown).not.to.contain(secrets[0]!)
    expect(shown).to.match(/ {2}counted\r\n\{\r\n {2}"n": 1/)
  })

  /** The token that wazo-auth has handed out last. */
  function lastLogin(): Token {
    const [id] = Object.keys(cluster.auth.requests().byToken).slice(-1)
    return cluster.auth.delete(id!)!
  }

  it('takes the new token of its file when the old one is deleted', async () => {
    const file = join(await temporaryDirectory('token'), 'token')
    const first = mint()
    await writeFile(file, `${first.token}\n`)
    const seen = tail(['--token-file', file, '--count', '1', 'counted'], '', {})
    await connected(seen)
    await writeFile(file, mint().token)
    await cluster.deleteToken(first)
    await waitFor(() => seen.err().includes('nothing is missing'), {
      timeoutMs: 20_000,
      what: 'the new token',
    })
    await send(1)
    expect(await seen.status).to.equal(0)
  })

  describe('ends with a status that tells why:', () => {
    it('42, a token that is unknown', async () => {
      const unknown = tail([], '', { WAZO_TOKEN: 'unknown-token' })
      expect(await unknown.status).to.equal(42)
      expect(unknown.err()).to.match(/: ended: 4002 authentication failed\n$/)
    })

    it('43, a token that is deleted, where there is no other', async () => {
      const mine = mint()
      const seen = tail([], '', { WAZO_TOKEN: mine.token })
      await connected(seen)
      await cluster.deleteToken(mine)
      expect(await seen.status).to.equal(43)
    })

    it('16, nobody listens, with --no-reconnect', async () => {
      const port = await freePort()
      const nobody = run('tail', ['--url', `ws://127.0.0.1:${port}`, '--no-reconnect', '--token', 't'])
      expect(await nobody.status).to.equal(16)
      expect(nobody.err()).to.match(/: 0 events\n.*: ended: 1006 ECONNREFUSED\n$/)
    })

    it('1, a broker that cannot be reached, or refuses', async () => {
      const port = await freePort()
      const nobody = run('publish', ['--amqp-url', `amqp://127.0.0.1:${port}`, 'call_created'])
      expect(await nobody.status).to.equal(1)
      expect(nobody.err()).to.match(/RabbitMQ at 127\.0\.0\.1:\d+ cannot be reached/)
    })

    it('1, an exchange that does not exist', async () => {
      const given = { exchange: 'no-such-exchange', headers: { name: 'x' }, body: { name: 'x', data: {} } }
      for (const rate of ['10', '10000']) {
        const sent = publish(['--file', '-', '--for', '5', '--rate', rate], JSON.stringify(given))
        expect(await sent.status).to.equal(1)
        expect(sent.err()).to.match(/RabbitMQ at \S+ .*no exchange 'no-such-exchange'/)
        expect(sent.err()).to.match(/\d+ events in .*, 0 confirmed/)
      }
    })

    it('1, an event that AMQP cannot carry', async () => {
      const events = [
        { name: 'x' },
        { name: 'x', ['k'.repeat(300)]: 1 },
        { name: 'x', long: 'v'.repeat(70_000) },
      ]
      for (const given of [events.slice(0, 2), [events[0], events[2]]]) {
        const sent = publish(['--file', '-', '--rate', '100'], JSON.stringify(given))
        expect(await sent.status).to.equal(1)
        expect(sent.err()).to.match(/^wazo-websocketd-publish: event 2 cannot be sent: [^\n]+\n$/)
      }
    })

    it('78, a configuration file that cannot be used', async () => {
      const broken = run('publish', ['-c', '/does/not/exist.yml', 'call_created'])
      expect(await broken.status).to.equal(78)
      expect(broken.err()).to.match(/^wazo-websocketd-publish: \/does\/not\/exist\.yml: [^\n]+\n$/)
    })
  })

  it('says of events that nobody hears that they went nowhere', async () => {
    const given = { exchange: 'amq.headers', headers: { name: 'x' }, body: { name: 'x', data: {} } }
    const sent = publish(['--file', '-'], JSON.stringify(given))
    expect(await sent.status).to.equal(0)
    expect(sent.err()).to.contain('1 went nowhere')
  })
})

import { execFile, spawn, type ChildProcess, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir } from 'node:fs/promises'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { connect, type Client } from '../support/client.js'
import { temporaryDirectory } from '../support/guard.mjs'
import { freePort } from '../support/port.mjs'
import { sharedRabbit } from '../support/rabbitmq.mjs'
import { startRedis } from '../support/redis.mjs'
import { sleep, waitFor } from '../support/wait.mjs'
import { descendantsOf, processes, runs, workersOf, type Process } from './support/processes.js'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const DEMO = fileURLToPath(new URL('../../deploy/demo/demo.mjs', import.meta.url))
// On a busy machine, and with the programs to be built first.
const START_MS_MAX = 150_000
const END_MS_MAX = 25_000
/** Five seconds, and what a busy machine takes to start an ingest. */
const REFUSED_MS_MAX = 15_000

interface Demo {
  readonly child: ChildProcess
  /** TMPDIR of the demo. */
  readonly directory: string
  readonly output: () => string
  readonly exit: Promise<[number | null, NodeJS.Signals | null]>
  /** Waits until it has printed its addresses, and gives them. */
  announced(): Promise<{ tokens: Record<'user' | 'admin' | 'master', string>; socket: string; page: string }>
}

/** Starts the demo as a terminal does: in a process group of its own. */
async function startDemo(
  command: readonly string[],
  env: Record<string, string> = {},
  stdin: 'ignore' | 'pipe' = 'ignore',
): Promise<Demo> {
  const directory = `${await temporaryDirectory('demo-test')}/tmp`
  await mkdir(directory)
  const child = spawn(command[0]!, command.slice(1), {
    cwd: ROOT,
    env: { ...process.env, NODE_OPTIONS: '', TMPDIR: directory, ...env },
    detached: true,
    stdio: [stdin, 'pipe', 'pipe'],
  }) as ChildProcessByStdio<Writable | null, Readable, Readable>
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  const exit = once(child, 'exit') as Demo['exit']
  const announced = async () => {
    await waitFor(
      () => {
        if (child.exitCode !== null) throw new Error(`the demo ended: ${text}`)
        return text.includes('leaves nothing behind')
      },
      { timeoutMs: START_MS_MAX, what: 'the demo to announce itself' },
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${text}`)
    })
    const find = (pattern: RegExp): string => pattern.exec(text)![1]!
    return {
      tokens: {
        user: find(/^ {2}user +(\S+)/m),
        admin: find(/^ {2}admin +(\S+)/m),
        master: find(/^ {2}master +(\S+)/m),
      },
      socket: find(/^WebSocket +(\S+)/m),
      page: find(/(http\S+\/console)#token=/),
    }
  }
  return { child, directory, output: () => text, exit, announced }
}

function edgeOf({ child }: Demo): Process {
  return descendantsOf(child.pid!).find(({ command }) => /wazo-websocketd-edge/.test(command))!
}

/** Ctrl-C in a terminal: all processes of the foreground get the signal. */
function interrupt({ child }: Demo): void {
  process.kill(-child.pid!, 'SIGINT')
}

/** Fails unless everything that the demo started is gone, with its files. */
async function expectNothingLeft({ directory }: Demo, started: readonly Process[]): Promise<void> {
  const left = () => [
    ...started.filter(runs).map(({ pid, command }) => `${pid} ${command}`),
    ...processes()
      .filter(({ command }) => command.includes(directory))
      .map(({ pid, command }) => `${pid} ${command}`),
  ]
  await waitFor(() => left().length === 0, { timeoutMs: 5000, what: 'the processes to end' }).catch(() => {})
  expect(left()).to.deep.equal([])
  await waitFor(async () => (await readdir(directory)).length === 0, { what: 'the files to go' }).catch(
    () => {},
  )
  expect(await readdir(directory)).to.deep.equal([])
}

interface Body {
  name: string
  tenant_uuid?: string
}

/** The next `count` events of a started session of version 2. */
async function events(client: Client, count: number): Promise<Body[]> {
  const bodies: Body[] = []
  while (bodies.length < count) {
    const message = await client.next(30_000)
    if (message['op'] === 'event') bodies.push(message['data'] as Body)
  }
  return bodies
}

const tenantsOf = (bodies: Body[]) => new Set(bodies.map(({ tenant_uuid }) => tenant_uuid))
const usersOf = (bodies: Body[]) =>
  new Set(bodies.flatMap((body) => Object.keys(body).filter((key) => /^user_uuid:[0-9a-f-]{36}$/.test(key))))

describe('npm run demo', function () {
  this.timeout(START_MS_MAX + 60_000)
  let demo: Demo
  let addresses: Awaited<ReturnType<Demo['announced']>>
  const clients: Client[] = []

  before(async () => {
    demo = await startDemo(['npm', 'run', 'demo', '--', '--port', '0'])
    addresses = await demo.announced()
  })

  after(() => {
    if (demo.child.exitCode === null && demo.child.signalCode === null) interrupt(demo)
  })

  function open(role: 'user' | 'admin' | 'master'): Promise<Client> {
    const client = connect(addresses.socket, { token: addresses.tokens[role], version: 2 })
    clients.push(client)
    return client.start('*')
  }

  it('shows a user what concerns her, and nothing else', async () => {
    const bodies = await events(await open('user'), 10)
    expect(tenantsOf(bodies).size).to.equal(1)
    const toUsers = bodies.filter((body) => !('user_uuid:*' in body))
    expect(toUsers).not.to.be.empty
    const common = [...usersOf(toUsers)].filter((user) => toUsers.every((body) => user in body))
    expect(common).to.have.length(1)
  })

  it('shows an administrator the events of all users of one tenant', async () => {
    const client = await open('admin')
    const bodies: Body[] = []
    while (usersOf(bodies).size < 3) bodies.push(...(await events(client, 1)))
    expect(tenantsOf(bodies).size).to.equal(1)
  })

  it('shows the master tenant the events of all tenants', async () => {
    const client = await open('master')
    const bodies: Body[] = []
    while (tenantsOf(bodies).size < 2 && bodies.length < 1000) bodies.push(...(await events(client, 1)))
    expect(tenantsOf(bodies).size).to.be.at.least(2)
  })

  it('has two workers', () => {
    expect(workersOf(edgeOf(demo).pid)).to.have.length(2)
  })

  it('serves the page at the address that it prints', async () => {
    const response = await fetch(addresses.page)
    expect(response.status).to.equal(200)
    expect(await response.text()).to.contain('Wazo events, live')
  })

  it('prints a command that shows events in the terminal', async () => {
    const command = /^ {2}(node \S+\/wazo-websocketd-tail\.js .*)$/m.exec(demo.output())![1]!
    const tail = spawn('sh', ['-c', `exec ${command}`], { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] })
    try {
      const lines = createInterface({ input: tail.stdout })
      const [line] = (await once(lines, 'line', { signal: AbortSignal.timeout(30_000) })) as [string]
      expect(JSON.parse(line)).to.include.keys('name', 'data')
    } finally {
      tail.kill()
    }
  })

  it('prints a command that publishes an event which a user sees', async () => {
    const [, command, user] =
      /^ {2}(node \S+\/wazo-websocketd-publish\.js .* --user (\S+) call_created)$/m.exec(demo.output())!
    const client = await open('user')
    const publish = spawn('sh', ['-c', `exec ${command!}`], { cwd: ROOT, stdio: 'ignore' })
    expect(await once(publish, 'exit')).to.deep.equal([0, null])
    const seen = async (): Promise<Body> => {
      for (;;) {
        const [body] = await events(client, 1)
        if (body!.name === 'call_created') return body!
      }
    }
    const body = await seen()
    expect(body).to.have.property(`user_uuid:${user!}`, true)
  })

  it('ends on Ctrl-C, closes its sessions in order and leaves nothing behind', async () => {
    const started = descendantsOf(demo.child.pid!)
    expect(
      started.filter(({ command }) => /redis-server|beam\.smp|epmd/.test(command)),
    ).to.have.length.of.at.least(3)
    interrupt(demo)
    // npm itself passes the signal on and, when the demo has ended, ends by it too.
    await waitFor(() => demo.child.exitCode !== null || demo.child.signalCode !== null, {
      timeoutMs: END_MS_MAX,
      what: 'npm to end',
    })
    await waitFor(() => demo.output().endsWith('The demo has ended.\n'), { what: 'the last line' })
    await expectNothingLeft(demo, started)
    for (const client of clients) expect((await client.closed).code).to.equal(1012)
  })
})

describe('The demo, when it does not go as planned,', function () {
  this.timeout(START_MS_MAX + 60_000)
  let redis: Awaited<ReturnType<typeof startRedis>>
  let named: Record<string, string>

  before(async () => {
    redis = await startRedis()
    named = { DEMO_AMQP_URL: await (await sharedRabbit()).vhost('demo'), DEMO_REDIS_URL: redis.url }
  })

  after(() => redis.stop())

  it('ends after its duration, and leaves the brokers alone that the environment names', async () => {
    const demo = await startDemo([process.execPath, DEMO, '--port', '0', '--duration', '2'], named)
    await demo.announced()
    const started = descendantsOf(demo.child.pid!)
    expect(started.filter(({ command }) => /redis-server|beam\.smp/.test(command))).to.deep.equal([])
    expect(await demo.exit).to.deep.equal([0, null])
    await expectNothingLeft(demo, started)
  })

  it('says in one line which program ended, and ends the others', async () => {
    const demo = await startDemo([process.execPath, DEMO, '--port', '0'], named)
    await demo.announced()
    const started = descendantsOf(demo.child.pid!)
    process.kill(started.find(({ command }) => /wazo-websocketd-ingest/.test(command))!.pid, 'SIGKILL')
    expect(await demo.exit).to.deep.equal([1, null])
    expect(demo.output()).to.match(/^demo: The ingest ended \(SIGKILL\)/m)
    await expectNothingLeft(demo, started)
  })

  it('leaves nothing behind even when it is killed', async () => {
    const demo = await startDemo([process.execPath, DEMO, '--port', '0'], named)
    await demo.announced()
    const started = descendantsOf(demo.child.pid!)
    demo.child.kill('SIGKILL')
    await demo.exit
    await expectNothingLeft(demo, started)
  })

  it("says within seconds what is wrong with a broker that the environment names, in the ingest's words", async () => {
    const nobody = `amqp://127.0.0.1:${await freePort()}`
    const demo = await startDemo([process.execPath, DEMO, '--port', '0'], { ...named, DEMO_AMQP_URL: nobody })
    const begun = performance.now()
    expect(await demo.exit).to.deep.equal([1, null])
    expect(performance.now() - begun).to.be.below(REFUSED_MS_MAX)
    expect(demo.output()).to.match(/^demo: The ingest cannot begin: RabbitMQ at 127\.0\.0\.1:\d+ [^\n]+$/m)
    await expectNothingLeft(demo, [])
  })

  it('has no events of its own, or as many as it is told', async () => {
    for (const [args, expected] of [
      [['--no-generator'], [0, 0]],
      [
        ['--rate', '40'],
        [60, 130],
      ],
    ] as const) {
      const demo = await startDemo([process.execPath, DEMO, '--port', '0', ...args], named)
      const { socket, tokens } = await demo.announced()
      const client = await connect(socket, { token: tokens.master, version: 2 }).start('*')
      await sleep(1_000)
      client.take()
      await sleep(2_500)
      expect(client.take().length, args.join(' ')).to.be.within(expected[0], expected[1])
      interrupt(demo)
      await demo.exit
    }
  })

  it('obeys keys in a terminal: an upgrade, the end of a token, a restart, Ctrl-C', async () => {
    const command = `${process.execPath} ${DEMO} --port 0`
    const demo = await startDemo(['script', '-qec', command, '/dev/null'], named, 'pipe')
    const { socket, tokens } = await demo.announced()
    const [user, admin] = await Promise.all(
      [tokens.user, tokens.admin].map((token) => connect(socket, { token, version: 2 }).start('*')),
    )
    const said = (what: string) =>
      waitFor(() => demo.output().includes(what), { timeoutMs: START_MS_MAX, what: `"${what}"` })
    const press = (key: string) => demo.child.stdin!.write(key)
    const workers = () => workersOf(edgeOf(demo).pid)
    const before = workers()
    press('u')
    await waitFor(() => workers().length === 2 && workers().every((pid) => !before.includes(pid)), {
      timeoutMs: START_MS_MAX,
      what: 'new workers',
    })
    press('d')
    expect((await admin!.closed).code).to.equal(4003)
    press('r')
    expect((await user!.closed).code).to.equal(1012)
    await said('The edge is back.')
    press('\u0003')
    await said('The demo has ended.')
    await demo.exit
  })

  it('says in one line that its port is in use', async () => {
    const port = await freePort()
    const server = createServer().listen(port, '127.0.0.1')
    await once(server, 'listening')
    const demo = await startDemo([process.execPath, DEMO, '--port', String(port)])
    expect(await demo.exit).to.deep.equal([1, null])
    server.close()
    expect(demo.output()).to.match(new RegExp(`^demo: Port ${port} is in use; [^\n]+\n$`))
    await expectNothingLeft(demo, [])
  })

  it('says in one line what is wrong with its options', async () => {
    const { code, stderr } = await new Promise<{ code: unknown; stderr: string }>((resolve) => {
      execFile(
        process.execPath,
        [DEMO, '--prot'],
        { env: { ...process.env, NODE_OPTIONS: '' } },
        (error, _, stderr) => resolve({ code: error?.code, stderr }),
      )
    })
    expect(code).to.equal(64)
    expect(stderr).to.match(/^demo: Unknown option '--prot'[^\n]*\n$/)
  })
})

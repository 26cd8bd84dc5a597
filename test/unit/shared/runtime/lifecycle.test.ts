import { Lifecycle, runMain, type Service, type ServiceHost } from '@wazo-websocketd/shared/runtime/lifecycle'
import { StartupError } from '@wazo-websocketd/shared/runtime/startup-error'
import { expect } from 'chai'
import { FakeClock } from '../../../support/fakes/clock.js'
import { fakeLog } from '../../../support/fakes/log.js'

class FakeHost implements ServiceHost {
  readonly listeners = new Map<string, (argument: unknown) => void>()
  readonly lines: string[] = []
  readonly exits: number[] = []
  on(event: string, listener: (argument: unknown) => void): void {
    this.listeners.set(event, listener)
  }
  printError(line: string): void {
    this.lines.push(line)
  }
  exit(status: number): void {
    this.exits.push(status)
  }
  emit(event: string, argument?: unknown): void {
    this.listeners.get(event)!(argument)
  }
}

class FakeService implements Service {
  readonly calls: string[] = []
  start: () => Promise<void> = () => Promise.resolve()
  stopped: () => void = () => undefined
  fail: (error: unknown) => void = () => undefined
  readonly failed = new Promise<never>((_, reject) => (this.fail = reject))
  stop(): Promise<void> {
    this.calls.push('stop')
    return new Promise((resolve) => (this.stopped = resolve))
  }
  stopNow(): void {
    this.calls.push('hurry')
    this.stopped()
  }
  reload(): void {
    this.calls.push('reload')
  }
  reopenLog(): void {
    this.calls.push('reopen')
  }
}

function setUp() {
  const host = new FakeHost()
  const service = new FakeService()
  const clock = new FakeClock()
  const { logger, entries } = fakeLog()
  const lifecycle = new Lifecycle(service, { program: 'p', logger, clock, stopDeadlineMs: () => 1000, host })
  return { host, service, clock, entries, lifecycle }
}

const settle = () => new Promise((resolve) => setImmediate(resolve))

describe('the life of a program', () => {
  it('goes from idle to running to stopped with status 0', async () => {
    const { host, service, lifecycle } = setUp()
    expect(lifecycle.state).to.equal('idle')
    const run = lifecycle.run()
    expect(lifecycle.state).to.equal('starting')
    await run
    expect(lifecycle.state).to.equal('running')
    host.emit('SIGTERM')
    expect(lifecycle.state).to.equal('stopping')
    service.stopped()
    await settle()
    expect(lifecycle.state).to.equal('stopped')
    expect(host.exits).to.deep.equal([0])
  })

  it('hurries at a second signal of either kind', async () => {
    const { host, service, lifecycle } = setUp()
    await lifecycle.run()
    host.emit('SIGTERM')
    host.emit('SIGINT')
    await settle()
    expect(service.calls).to.deep.equal(['stop', 'hurry'])
    expect(host.exits).to.deep.equal([0])
    host.emit('SIGINT')
    expect(service.calls).to.deep.equal(['stop', 'hurry'])
  })

  it('stops while it is still starting', async () => {
    const { host, service, lifecycle } = setUp()
    service.start = () => new Promise(() => undefined)
    void lifecycle.run()
    host.emit('SIGTERM')
    service.stopped()
    await settle()
    expect(host.exits).to.deep.equal([0])
  })

  it('tells a start that fails in one line, with its status and no stack trace', async () => {
    const { host, service, lifecycle, entries } = setUp()
    service.start = () => Promise.reject(new StartupError('port in use', 3))
    await lifecycle.run()
    expect(host.lines).to.deep.equal(['p: port in use'])
    expect(host.exits).to.deep.equal([3])
    expect(entries.at(-1)).to.not.have.property('stack')
  })

  it('ends with status 1 when the service fails while it runs', async () => {
    const { host, service, lifecycle, entries } = setUp()
    await lifecycle.run()
    service.fail(new Error('lost\nfor ever'))
    await settle()
    expect(host.lines).to.deep.equal(['p: lost for ever'])
    expect(host.exits).to.deep.equal([1])
    expect(entries.at(-1)).to.have.property('stack')
  })

  it('ends with status 1 on an error that nobody caught', async () => {
    const { host, lifecycle } = setUp()
    await lifecycle.run()
    host.emit('uncaughtException', new Error('oops'))
    host.emit('unhandledRejection', new Error('again'))
    expect(host.exits).to.deep.equal([1])
  })

  it('gives up a stop that hangs', async () => {
    const { host, clock, lifecycle } = setUp()
    await lifecycle.run()
    host.emit('SIGTERM')
    clock.advance(1000)
    expect(host.exits).to.deep.equal([1])
    expect(host.lines).to.deep.equal(['p: stopping took too long'])
  })

  it('ends with status 1 when stopping fails', async () => {
    const { host, service, lifecycle } = setUp()
    service.stop = () => Promise.reject(new Error('stuck'))
    await lifecycle.run()
    host.emit('SIGTERM')
    await settle()
    expect(host.exits).to.deep.equal([1])
  })

  it('passes SIGHUP on and goes on', async () => {
    const { host, service, lifecycle } = setUp()
    await lifecycle.run()
    host.emit('SIGHUP')
    host.emit('SIGUSR1')
    host.emit('SIGUSR2')
    expect(service.calls).to.deep.equal(['reload', 'reopen'])
    expect(lifecycle.state).to.equal('running')
  })

  it('tells what fails before it begins in one line', async () => {
    const host = new FakeHost()
    await runMain('p', () => Promise.reject(new StartupError('no such user', 78)), host)
    expect(host).to.deep.include({ lines: ['p: no such user'], exits: [78] })
  })

  it('shows the stack trace of a fault of its own', async () => {
    const host = new FakeHost()
    await runMain('p', () => Promise.reject(new TypeError('x is undefined')), host)
    expect(host.lines[0]).to.match(/^p: TypeError: x is undefined\n {4}at /)
    expect(host.exits).to.deep.equal([1])
  })
})

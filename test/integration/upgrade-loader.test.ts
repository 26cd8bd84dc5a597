import { codeOnDisk } from '@wazo-websocketd/edge/process/code-on-disk'
import { loadGeneration } from '@wazo-websocketd/edge/process/config-loader'
import { usableWorkerConfig, type WorkerConfig } from '@wazo-websocketd/edge/config/worker-config'
import { expect } from 'chai'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryDirectory } from '../support/guard.mjs'
import { processes } from '../support/processes.mjs'
import { waitFor } from '../support/wait.mjs'

const EDGE = import.meta.resolve('@wazo-websocketd/edge/process/config-loader').replace('/process/', '/')
const LOADER = codeOnDisk(EDGE, '')('loader')
const BASE = { auth: { username: 'u', password: 'p', key_file: null }, process_workers: 3 }

describe('the configuration, read by the code on disk', function () {
  this.timeout(60_000)
  let directory: string

  beforeEach(async () => {
    directory = await temporaryDirectory('loader')
  })

  function args(config: object): string[] {
    const file = join(directory, 'config.yml')
    writeFileSync(file, JSON.stringify({ extra_config_files: join(directory, 'conf.d'), ...config }))
    return ['-c', file]
  }

  function module(text: string): string {
    const file = join(directory, 'module.mjs')
    writeFileSync(file, text)
    return file
  }

  const load = (path: string, options: { args?: string[]; msMax?: number; signal?: AbortSignal } = {}) =>
    loadGeneration({
      module: path,
      args: options.args ?? [],
      msMax: options.msMax ?? 40_000,
      signal: options.signal ?? new AbortController().signal,
    })

  const complaint = (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      () => 'none',
      (error: unknown) => String(error),
    )

  it('is what primary and workers need, with unknown keys as remarks', async () => {
    const drain = { rate: 50, timeout: 7, delay: 2 }
    const config = { ...BASE, drain, log_level: 'warning', metrics: { edge_port: 1234 }, colour: 'red' }
    const generation = await load(LOADER, { args: args(config) })
    expect(generation).to.deep.include({
      workers: 3,
      logLevel: 'warn',
      drain: { ratePerSecond: 50, timeoutMs: 7000, delayMs: 2000 },
    })
    expect(generation.restartOnly).to.deep.include({ 'metrics.edge_port': '1234', log_file: 'null' })
    expect(generation.remarks.join()).to.include('colour')
    const setup = generation.setup as WorkerConfig
    expect(setup).to.deep.include({ version: generation.version, workers: 3, tls: null })
    expect(setup.config.drain.rate).to.equal(50)
  })

  it('is refused in one line that names file and key', async () => {
    const line = await complaint(load(LOADER, { args: args({ ...BASE, websocket: { port: 'high' } }) }))
    expect(line).to.include(join(directory, 'config.yml')).and.include('websocket.port')
  })

  it('is refused when the certificate cannot be read', async () => {
    const websocket = { certificate: '/nowhere/cert.pem', private_key: '/nowhere/key.pem' }
    const line = await complaint(load(LOADER, { args: args({ ...BASE, websocket }) }))
    expect(line).to.include('websocket.certificate').and.include('/nowhere/cert.pem')
  })

  it('is none when the code throws, says something else, is not there, or hangs', async () => {
    expect(await complaint(load(module("throw new Error('broken')")))).to.match(/ended with status 1/)
    const strange = module("process.send({ kind: 'generation', generation: {} }, () => process.exit())")
    expect(await complaint(load(strange))).to.match(/needs a newer primary: restart/)
    expect(await complaint(load(join(directory, 'gone.mjs')))).to.match(/ended with status 1/)
    const hung = module('setInterval(() => undefined, 1000)')
    expect(await complaint(load(hung, { msMax: 1500 }))).to.match(/within 1.5 s/)
    expect(running(hung)).to.equal(false)
  })

  it('leaves no process when it is not wanted any more', async () => {
    const abort = new AbortController()
    const hung = module('setInterval(() => undefined, 1000)')
    const line = complaint(load(hung, { signal: abort.signal }))
    await waitFor(() => running(hung), { timeoutMs: 20_000, what: 'the loader' })
    abort.abort()
    expect(await line).to.match(/abort/i)
    expect(running(hung)).to.equal(false)
  })

  it('is read again by a worker whose code is not of the version that has read it before', async () => {
    const argv = args(BASE)
    const own = await usableWorkerConfig(null, argv)
    expect(own.workers).to.equal(3)
    const given: WorkerConfig = { ...own, workers: 7 }
    expect(await usableWorkerConfig(given, argv)).to.equal(given)
    expect((await usableWorkerConfig({ ...given, version: '0.0.0' }, argv)).workers).to.equal(3)
  })
})

function running(path: string): boolean {
  return processes().some(({ command }) => command.includes(path))
}

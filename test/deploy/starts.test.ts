import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { connect } from '../support/client.js'
import { Cluster } from '../support/cluster.js'
import { startGuarded, temporaryDirectory } from '../support/guard.mjs'
import { metric } from '../support/pages.js'
import { freePort } from '../support/port.mjs'
import { fromSource } from '../support/program.mjs'
import { waitFor } from '../support/wait.mjs'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const CONFIG_FILE = '/etc/wazo-websocketd/config.yml'
/** A start of one of the programs in a block of code, or in a unit. */
const START = /^(?:Exec\w+=)?(.*\bwazo-websocketd-(?:edge|ingest)(?:[.]js)? .*-c .*)$/gm

function read(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8')
}

/** The command lines by which README starts the programs. */
const starts = [...read('README.md').matchAll(START)].map(([, line]) => line!)

describe('the documented starts', function () {
  this.timeout(120_000)
  let cluster: Cluster

  before(async () => {
    if (fromSource) execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-b'], { cwd: ROOT })
    cluster = await Cluster.start({ name: 'starts', edges: 0, workers: 1 })
  })
  after(() => cluster.stop())

  it('go through nothing that keeps signals from the programs', () => {
    const documents = ['README.md', 'docs', 'deploy'].flatMap((name) =>
      name.endsWith('.md')
        ? [name]
        : readdirSync(join(ROOT, name), { recursive: true, encoding: 'utf8' })
            .filter((file) => /[.](md|service|yml|cfg|conf)$/.test(file))
            .map((file) => join(name, file)),
    )
    const all = documents.flatMap((file) => [...read(file).matchAll(START)].map(([, line]) => line!))
    expect(all.length).to.be.greaterThan(starts.length)
    expect(all.filter((line) => !/^(node packages\/|\/usr\/bin\/wazo-)/.test(line))).to.deep.equal([])
    expect(starts).to.have.length(2)
  })

  it('end with status 0 on SIGTERM, with 1012 to clients, and leave no process and no port behind', async () => {
    const [port, adminPort, ingestPort] = [await freePort(), await freePort(), await freePort()]
    const config = join(await temporaryDirectory('starts'), 'config.yml')
    writeFileSync(
      config,
      JSON.stringify({
        ...cluster.edgeConfig(port, adminPort),
        metrics: { edge_port: adminPort, ingest_port: ingestPort },
      }),
    )
    const programs = starts.map((line) => {
      const [command = '', ...args] = line.replace(CONFIG_FILE, config).split(' ')
      return startGuarded(command, args, { cwd: ROOT })
    })
    const serves = () =>
      metric(adminPort, 'workers_ready').then(
        (ready) => ready === 1,
        () => false,
      )
    await waitFor(serves, { timeoutMs: 60_000, everyMs: 50, what: 'the edge' })
    await waitFor(() => metric(ingestPort, 'amqp_connected').catch(() => null), { timeoutMs: 30_000 })
    const client = connect(`ws://127.0.0.1:${port}`, { token: cluster.auth.mint().token, version: 2 })
    expect((await client.next())['op']).to.equal('init')
    for (const { kill } of programs) kill('SIGTERM')
    for (const { exit } of programs) expect(await exit).to.deep.equal({ code: 0, signal: null })
    expect((await client.closed).code).to.equal(1012)
    for (const { pid } of programs) expect(() => process.kill(-pid, 0)).to.throw('ESRCH')
  })
})

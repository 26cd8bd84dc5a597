import { execFile } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { readConfig } from '@wazo-websocketd/shared/config/load'
import { expect } from 'chai'
import { parse } from 'yaml'
import { temporaryDirectory } from '../support/guard.mjs'
import { isInstalled } from '../support/install.mjs'
import { checkNginx } from '../support/nginx.js'
import { selfSigned } from '../support/proxy.js'

const run = promisify(execFile)
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const DIRECTORY = join(ROOT, 'deploy/containers')
/** What a user writes into `.env`, by README.md there. */
const SETTINGS = /^ {3}([A-Z_]+)=/gm
/** Beyond drain.delay and drain.timeout, in seconds. */
const STOP_MARGIN = 3

interface Service {
  readonly image: string
  readonly restart?: string
  readonly command?: readonly string[]
  readonly environment?: Readonly<Record<string, string | number>>
  readonly volumes?: readonly string[]
  readonly stop_grace_period?: string
  readonly depends_on?: readonly string[] | Readonly<Record<string, unknown>>
  readonly build?: { readonly context: string; readonly dockerfile: string }
}

const read = (file: string): string => readFileSync(join(DIRECTORY, file), 'utf8')
const compose = parse(read('compose.yml'), { merge: true }) as {
  services: Readonly<Record<string, Service>>
  volumes: Readonly<Record<string, null>>
}
const programs = Object.entries(compose.services).filter(([, { image }]) => image === 'wazo-websocketd')

/** A value as compose gives it to a program: with what `.env` sets, else with the default. */
function filled(value: string | number): string {
  return String(value).replace(
    /\$\{([A-Z_]+)(?:(:?[-?])([^}]*))?\}/g,
    (_all, name: string, kind: string, text: string) =>
      kind.endsWith('-') ? text : `the-${name.toLowerCase()}`,
  )
}

describe('the containers', () => {
  it('are there again after a restart of the machine', () => {
    for (const [name, { restart }] of Object.entries(compose.services))
      expect(restart, name).to.be.oneOf(['unless-stopped', 'always'])
  })

  it('have an image that copies what there is, and runs its programs as nobody', () => {
    const dockerfile = read('Dockerfile')
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, files]) =>
      files!.split(' '),
    )
    expect(copied).to.include('package-lock.json')
    expect(copied.filter((file) => !existsSync(join(ROOT, file)))).to.deep.equal([])
    const ignored = read('Dockerfile.dockerignore')
    for (const file of copied) expect(ignored).to.contain(`!${file.split('/')[0]!}`)
    const links = [...dockerfile.matchAll(/ln -s \/app\/(\S+) \/usr\/bin\/(\S+)/g)]
    expect(links.map(([, , name]) => name)).to.have.members([
      'wazo-websocketd-edge',
      'wazo-websocketd-ingest',
      'wazo-websocketd-wait-online',
      'wazo-websocketd-ctl',
      'wazo-websocketd-tail',
      'wazo-websocketd-publish',
    ])
    expect(links.filter(([, file]) => !existsSync(join(ROOT, file!)))).to.deep.equal([])
    expect(dockerfile)
      .to.match(/^USER \d+:\d+$/m)
      .and.not.to.match(/^USER 0/m)
  })

  it('are a whole system', () => {
    expect(Object.keys(compose.services)).to.have.members([
      ...['rabbitmq', 'redis', 'ingest-1', 'ingest-2', 'edge-1', 'edge-2', 'nginx', 'prometheus', 'grafana'],
    ])
    for (const { depends_on: needed = [] } of Object.values(compose.services))
      for (const name of Array.isArray(needed) ? needed : Object.keys(needed))
        expect(compose.services).to.have.property(name as string)
  })

  const composed = isInstalled('docker-compose') ? it : it.skip
  composed('are a file that docker-compose takes (skipped where it is not installed)', async () => {
    const names = [...read('README.md').matchAll(SETTINGS)].map(([, name]) => [name!, 'set'])
    const env = { ...process.env, ...(Object.fromEntries(names) as Record<string, string>) }
    const args = ['-f', join(DIRECTORY, 'compose.yml'), 'config', '--services']
    const { stdout } = await run('docker-compose', args, { env })
    expect(stdout.trim().split('\n')).to.have.members(Object.keys(compose.services))
  })

  it('mount only what there is', () => {
    const mounts = Object.values(compose.services).flatMap(({ volumes = [] }) => volumes)
    const files = mounts.map((mount) => mount.split(':')[0]!).filter((from) => from.startsWith('.'))
    expect(files).to.have.length(6)
    expect(files.filter((file) => !existsSync(resolve(DIRECTORY, file)))).to.deep.equal([])
    const named = mounts.map((mount) => mount.split(':')[0]!).filter((from) => /^[a-z]/.test(from))
    expect(named).to.have.members(Object.keys(compose.volumes))
  })

  it('ask for the settings that README has, and for no others', () => {
    const asked = new Set([...read('compose.yml').matchAll(/\$\{([A-Z_]+):\?/g)].map(([, name]) => name))
    const written = new Set([...read('README.md').matchAll(SETTINGS)].map(([, name]) => name))
    expect(written).to.deep.equal(asked)
  })

  it('give each program a configuration that it takes without a remark, and the time to end', async () => {
    expect(programs).to.have.length(4)
    const directory = await temporaryDirectory('containers')
    await mkdir(join(directory, 'conf.d'))
    const configFile = join(directory, 'config.yml')
    writeFileSync(configFile, JSON.stringify({ extra_config_files: join(directory, 'conf.d') }))
    for (const [name, service] of programs) {
      const environment = Object.fromEntries(
        Object.entries(service.environment ?? {}).map(([key, value]) => [key, filled(value)]),
      )
      const program = service.command![0] as 'wazo-websocketd-edge' | 'wazo-websocketd-ingest'
      const sources = { program, configFile, debug: false, user: null, environment }
      const { problems, warnings, config } = readConfig(sources)
      expect({ problems, warnings }, name).to.deep.equal({ problems: [], warnings: [] })
      expect(config.bus.host).to.equal('rabbitmq')
      expect(config.metrics.listen).to.equal('0.0.0.0')
      if (program !== 'wazo-websocketd-edge') continue
      expect(config.websocket.listen).to.equal('0.0.0.0')
      expect(config.auth.key_file).to.equal(null)
      const grace = Number.parseInt(service.stop_grace_period!)
      expect(grace).to.be.at.least(config.drain.delay + config.drain.timeout + STOP_MARGIN)
    }
  })

  it('have an nginx in front of the edges that are there, which takes its configuration', async () => {
    const directory = await temporaryDirectory('nginx')
    await selfSigned(directory)
    await mkdir(join(directory, 'logs'))
    const upstream = read('nginx/upstream.conf')
    const hosts = [...upstream.matchAll(/server (\S+):9502/g)].map(([, host]) => host)
    expect(hosts).to.deep.equal(programs.map(([name]) => name).filter((name) => name.startsWith('edge')))
    writeFileSync(join(directory, 'upstream.conf'), upstream.replaceAll(/edge-\d/g, '127.0.0.1'))
    const whole = read('nginx/nginx.conf')
      .replace('/etc/nginx/upstream.conf', join(directory, 'upstream.conf'))
      .replaceAll('/etc/nginx/certificates/server.crt', join(directory, 'certificate.pem'))
      .replaceAll('/etc/nginx/certificates/server.key', join(directory, 'key.pem'))
      .replaceAll('/etc/nginx/', join(ROOT, 'deploy/nginx/'))
    writeFileSync(join(directory, 'nginx.conf'), `pid ${directory}/nginx.pid;\n${whole}`)
    expect(await checkNginx(directory)).to.contain('test is successful')
  })

  it('have a Prometheus that asks each program', () => {
    const { scrape_configs: jobs } = parse(read('prometheus/prometheus.yml')) as {
      scrape_configs: { static_configs: { targets: string[] }[] }[]
    }
    const targets = jobs.flatMap(({ static_configs: each }) => each.flatMap(({ targets: some }) => some))
    expect(targets.map((target) => target.split(':')[0])).to.have.members(programs.map(([name]) => name))
    for (const target of targets) expect(target).to.match(/^(edge-\d:9504|ingest-\d:9505)$/)
  })
})

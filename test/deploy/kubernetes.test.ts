import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readConfig } from '@wazo-websocketd/shared/config/load'
import { expect } from 'chai'
import { parse, parseAllDocuments } from 'yaml'
import { temporaryDirectory } from '../support/guard.mjs'
import { isInstalled } from '../support/install.mjs'
import { formatErrors, typeErrors, type Manifest } from './support/manifests.js'

const DIRECTORY = fileURLToPath(new URL('../../deploy/kubernetes', import.meta.url))
const SECRETS = '/run/secrets/wazo-websocketd'
/** What the edge takes beyond drain.delay and drain.timeout, in seconds. */
const STOP_MARGIN = 10

interface PodTemplate {
  readonly metadata: { readonly labels: Record<string, string> }
  readonly spec: {
    readonly terminationGracePeriodSeconds: number
    readonly securityContext: Record<string, unknown>
    readonly containers: readonly [
      {
        readonly command: readonly string[]
        readonly ports: readonly { name: string; containerPort: number }[]
        readonly lifecycle?: { readonly preStop: { readonly exec: { readonly command: readonly string[] } } }
        readonly securityContext: Record<string, unknown>
        readonly resources: { readonly requests: { readonly cpu: string } }
      },
    ]
  }
}

interface Deployment extends Manifest {
  readonly spec: {
    readonly template: PodTemplate
    readonly strategy: { readonly rollingUpdate: Record<string, number> }
    readonly replicas?: number
  }
}

function documents(folder: string): Manifest[] {
  return readdirSync(join(DIRECTORY, folder))
    .filter((file) => file.endsWith('.yaml') && file !== 'kustomization.yaml')
    .flatMap((file) => parseAllDocuments(readFileSync(join(DIRECTORY, folder, file), 'utf8')))
    .map((document) => document.toJS() as Manifest)
}

/** The configuration of a folder with files for its secrets, as the programs read it. */
async function reading(folder: string, program: 'wazo-websocketd-edge' | 'wazo-websocketd-ingest') {
  const directory = await temporaryDirectory('kubernetes')
  const secrets = {
    'auth.yml': 'service_id: i\nservice_key: k\n',
    rabbitmq: 'p',
    redis: 'redis://:p@redis:6379',
  }
  for (const [name, text] of Object.entries(secrets)) await writeFile(join(directory, name), text)
  await mkdir(join(directory, 'conf.d'))
  const text = readFileSync(join(DIRECTORY, folder, 'config.yml'), 'utf8')
    .replaceAll(SECRETS, directory)
    .replace('/etc/wazo-websocketd/conf.d', join(directory, 'conf.d'))
  const configFile = join(directory, 'config.yml')
  await writeFile(configFile, text)
  return readConfig({ program, configFile, debug: false, user: null, environment: {} })
}

const base = documents('base')
const deployments = base.filter(({ kind }) => kind === 'Deployment') as Deployment[]

describe('the manifests for Kubernetes', function () {
  this.timeout(120_000)

  it('have every object that is asked for, and each file is used', () => {
    const { resources } = parse(readFileSync(join(DIRECTORY, 'base/kustomization.yaml'), 'utf8')) as {
      resources: string[]
    }
    const files = readdirSync(join(DIRECTORY, 'base')).filter((file) => file.endsWith('.yaml'))
    expect(['kustomization.yaml', ...resources].sort()).to.deep.equal(files.sort())
    expect(base.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).to.have.members([
      'Deployment wazo-websocketd-edge',
      'Deployment wazo-websocketd-ingest',
      'HorizontalPodAutoscaler wazo-websocketd-edge',
      'NetworkPolicy wazo-websocketd-edge',
      'NetworkPolicy wazo-websocketd-ingest',
      'PodDisruptionBudget wazo-websocketd-edge',
      'PodDisruptionBudget wazo-websocketd-ingest',
      'Service wazo-websocketd',
      'Service wazo-websocketd-edge-metrics',
      'Service wazo-websocketd-ingest-metrics',
      'ServiceMonitor wazo-websocketd',
    ])
  })

  it('are of the types of their kinds, with no field that is not known', async () => {
    expect(typeErrors(base)).to.deep.equal([])
    for (const manifest of base) expect(await formatErrors(manifest)).to.deep.equal([])
  })

  it('would be found out otherwise', async () => {
    const edge = deployments[0]!
    const unknown = { ...edge, spec: { ...edge.spec, replica: 3 } }
    const wrong = { ...edge, spec: { ...edge.spec, replicas: 'three' as never } }
    expect(typeErrors([unknown]).join()).to.match(/'replica' does not exist|replica/)
    expect(await formatErrors(wrong)).to.have.length(1)
  })

  for (const folder of ['base', 'two-zones'])
    it(`have a configuration that both programs take without a remark: ${folder}`, async () => {
      for (const program of ['wazo-websocketd-edge', 'wazo-websocketd-ingest'] as const) {
        const { problems, warnings } = await reading(folder, program)
        expect({ problems, warnings }, program).to.deep.equal({ problems: [], warnings: [] })
      }
    })

  it('give the edge the time to close its sessions', async () => {
    const edge = deployments.find(({ metadata }) => metadata.name.endsWith('-edge'))!
    const { terminationGracePeriodSeconds, containers } = edge.spec.template.spec
    const [container] = containers
    const [sleep, seconds] = container.lifecycle!.preStop.exec.command
    expect(sleep).to.equal('sleep')
    for (const folder of ['base', 'two-zones']) {
      const { config } = await reading(folder, 'wazo-websocketd-edge')
      const needed = Number(seconds) + config.drain.delay + config.drain.timeout + STOP_MARGIN
      expect(terminationGracePeriodSeconds).to.be.at.least(needed)
      expect(String(config.process_workers)).to.equal(container.resources.requests.cpu)
    }
  })

  it('never have fewer pods than asked for, and give them few rights', () => {
    expect(deployments).to.have.length(2)
    for (const { spec } of deployments) {
      expect(spec.strategy.rollingUpdate).to.include({ maxUnavailable: 0 })
      const pod = spec.template.spec
      expect(pod.securityContext).to.include({ runAsNonRoot: true })
      expect(pod.containers[0].securityContext).to.deep.include({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      })
    }
  })

  it('name the ports of the programs', async () => {
    const { config } = await reading('base', 'wazo-websocketd-edge')
    const ports = deployments.flatMap(({ spec }) => spec.template.spec.containers[0].ports)
    expect(ports).to.deep.equal([
      { name: 'websocket', containerPort: config.websocket.port },
      { name: 'metrics', containerPort: config.metrics.edge_port },
      { name: 'metrics', containerPort: config.metrics.ingest_port },
    ])
  })

  it('start the programs that the image has', () => {
    const dockerfile = readFileSync(join(DIRECTORY, '../containers/Dockerfile'), 'utf8')
    for (const { spec } of deployments)
      expect(dockerfile).to.contain(`/usr/bin/${spec.template.spec.containers[0].command[0]!}`)
  })

  const built = isInstalled('kubectl') ? it : it.skip
  for (const folder of ['base', 'two-zones'])
    built(`are what kustomize makes of them (skipped where there is no kubectl): ${folder}`, () => {
      expect(existsSync(join(DIRECTORY, folder))).to.equal(true)
      const text = execFileSync('kubectl', ['kustomize', join(DIRECTORY, folder)], { encoding: 'utf8' })
      const all = parseAllDocuments(text).map((document) => document.toJS() as Manifest)
      expect(typeErrors(all)).to.deep.equal([])
      const [map] = all.filter(({ kind }) => kind === 'ConfigMap')
      const config = readFileSync(join(DIRECTORY, folder, 'config.yml'), 'utf8')
      expect(map!['data']).to.deep.equal({ 'config.yml': config })
      expect(text.includes('topology.kubernetes.io/zone')).to.equal(folder === 'two-zones')
      expect(text).to.contain(`minReplicas: ${folder === 'two-zones' ? 4 : 3}`)
    })
})

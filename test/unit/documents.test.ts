import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TEMPLATES } from '@wazo-websocketd/ingest/load/templates'
import { compileAcl } from '@wazo-websocketd/shared/domain/acl/acl'
import { METRIC_PREFIX } from '@wazo-websocketd/shared/runtime/metrics'
import { expect } from 'chai'
import { declaredMetrics } from '../support/reference-page/metrics.js'
import { eventsPage, patternFor } from '../support/reference-page/events.js'
import { editorSchema } from '../support/reference-page/editor-schema.js'
import { referencePage } from '../support/reference-page/page.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const PACKAGES = ['edge', 'ingest', 'shared']

function read(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8')
}

function filesUnder(directory: string, ending: RegExp): string[] {
  return readdirSync(join(ROOT, directory), { recursive: true, encoding: 'utf8' })
    .filter((file) => ending.test(file) && !/(^|\/)(node_modules|dist)\//.test(file))
    .map((file) => join(directory, file))
}

const sources = filesUnder('packages', /^[a-z]+\/src\/.*[.]ts$/)
const documents = [
  ...readdirSync(ROOT).filter((file) => file.endsWith('.md')),
  ...['docs', 'deploy', 'packages', 'test'].flatMap((directory) => filesUnder(directory, /[.]md$/)),
]

/** packages/edge/src/route/router.ts -> edge/route/router */
function nameOf(source: string): string {
  return source.replace(/^packages\/([a-z]+)\/src\/(.*)[.]ts$/, '$1/$2')
}

describe('the documents', () => {
  /** Folders of the sources, and of the repository: what a path begins with. */
  const ROOTS = [...PACKAGES, 'packages', 'test', 'deploy', 'docs']
  const FOLDERS = PACKAGES.flatMap((name) =>
    readdirSync(join(ROOT, 'packages', name, 'src'), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name),
  )
  /** `edge/bus/bus` in a diagram or in backticks. */
  const IN_DIAGRAMS = new RegExp(`^(?:${PACKAGES.join('|')})/[a-z0-9/-]+`)
  const IN_BACKTICKS = new RegExp(`^(?:${[...ROOTS, ...FOLDERS].join('|')})/[A-Za-z0-9./-]+$`)

  /** Every path of this repository that `text` names: in a code block at the beginning of a line, else in backticks. */
  function pathsIn(text: string): string[] {
    return text.split(/^```.*$/m).flatMap((part, at) => {
      if (at % 2 === 1) return part.split('\n').flatMap((line) => IN_DIAGRAMS.exec(line)?.[0] ?? [])
      return [...part.matchAll(/`([^`\n]+)`/g)]
        .map(([, code]) => code!)
        .filter((code) => IN_BACKTICKS.test(code))
    })
  }

  function exists(path: string): boolean {
    const [name, ...rest] = path.split('/')
    if (!PACKAGES.includes(name!)) return existsSync(join(ROOT, path))
    const inside = join(ROOT, 'packages', name!, 'src', ...rest)
    return existsSync(`${inside}.ts`) || (statSync(inside, { throwIfNoEntry: false })?.isDirectory() ?? false)
  }

  it('name only files that exist, as edge/bus/bus or from the root of the repository on', () => {
    const dead = documents.flatMap((document) =>
      pathsIn(read(document)).flatMap((path) => (exists(path) ? [] : `${document}: ${path}`)),
    )
    expect(dead).to.deep.equal([])
  })

  it('are searched for paths in a way that finds them', () => {
    const text =
      'See `edge/bus/bus` and `bus/cursor`, not `a/b`.\n```text\nedge/worker    constructs\n```\n`test/unit`\n'
    expect(pathsIn(text)).to.deep.equal(['edge/bus/bus', 'bus/cursor', 'edge/worker', 'test/unit'])
    expect(['edge/bus/bus', 'edge/bus', 'test/unit'].filter(exists)).to.have.length(3)
    expect(['bus/cursor', 'edge/bus/none', 'edge/bus/bus.ts'].filter(exists)).to.deep.equal([])
  })

  it('link only to what exists', () => {
    const dead = documents.flatMap((document) =>
      [...read(document).matchAll(/\]\(([^)\s]+)\)/g)]
        .map(([, target]) => target!)
        .filter((target) => !/^[a-z]+:/.test(target) && !leads(document, target))
        .map((target) => `${document}: ${target}`),
    )
    expect(dead).to.deep.equal([])
  })

  function leads(document: string, target: string): boolean {
    const [path = '', anchor] = target.split('#')
    const file = path === '' ? document : join(dirname(document), path)
    if (!existsSync(join(ROOT, file))) return false
    return anchor === undefined || anchorsOf(read(file)).includes(anchor)
  }

  /** The anchors that GitHub makes of headings. */
  function anchorsOf(text: string): string[] {
    return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
      heading!
        .toLowerCase()
        .replace(/[^a-z0-9 _-]/g, '')
        .replaceAll(' ', '-'),
    )
  }

  it('call an ADR by its number', () => {
    const wrong = documents.flatMap((document) =>
      [...read(document).matchAll(/\[ADR (\d+)\]\((?:[^)]*\/)?(\d+)-[^)]*\)/g)]
        .filter(([, label, file]) => Number(label) !== Number(file))
        .map(([link]) => `${document}: ${link}`),
    )
    expect(wrong).to.deep.equal([])
  })

  it('and comments refer to no document that is not in this repository', () => {
    const REFERENCE = /.*(?:contract|architecture)(?:'s)?,? section.*/gi
    const code = ['packages', 'test', 'deploy'].flatMap((directory) =>
      filesUnder(directory, /[.](ts|[cm]?js)$/),
    )
    const referring = [...documents, ...code]
      .filter((file) => file !== 'test/unit/documents.test.ts')
      .flatMap((file) =>
        // A comment may go on in the next line between the two words.
        [
          ...read(file)
            .replace(/(contract|architecture)(('s)?,?)\s+(\*\s+)?section/gi, '$1$2 section')
            .matchAll(REFERENCE),
        ].map(([line]) => `${file}: ${line.trim()}`),
      )
    expect(referring, 'cite PROTOCOL.md, an ADR or an RFC').to.deep.equal([])
  })
})

describe('ARCHITECTURE.md', () => {
  const TERMS_MAX = 25
  /** Folders whose every file it names, because all of them are on one of its paths. */
  const ON_PATHS = [
    ...['bus', 'route', 'deliver', 'socket', 'session', 'drain', 'handover', 'auth', 'process', 'client'].map(
      (folder) => `edge/${folder}/`,
    ),
    ...['edge/main', 'edge/worker', 'edge/loader', 'edge/tail', 'edge/wait-online', 'ingest/'],
  ]
  /** Files of any folder that declare and do nothing. */
  const DECLARING = ['metrics', 'ports', 'prometheus']
  const architecture = read('ARCHITECTURE.md')

  it('names every file of the paths', () => {
    const named = new Set(architecture.match(/\b(?:edge|ingest|shared)\/[a-z0-9/-]+/g))
    const unnamed = sources
      .map(nameOf)
      .filter((name) => ON_PATHS.some((path) => name.startsWith(path)))
      .filter((name) => !named.has(name) && !DECLARING.includes(basename(name)))
    expect(unnamed, 'add a line to the diagram of a path').to.deep.equal([])
  })

  it(`explains ${TERMS_MAX} terms at most, each once`, () => {
    const [, glossary = ''] = /^## Glossary\n([^]*?)^## /m.exec(architecture) ?? []
    const terms = [...glossary.matchAll(/^\| ([^|]+) \|/gm)]
      .map(([, term]) => term!)
      .filter((term) => term !== 'term')
    expect(terms).to.have.length.within(10, TERMS_MAX)
    expect(new Set(terms).size).to.equal(terms.length)
  })
})

describe('docs/reference.md', () => {
  /** The one file that declares metrics under names of variables. */
  const DECLARES_FOR_OTHERS = 'packages/shared/src/runtime/metrics.ts'

  it('is what the code says', async () => {
    expect(read('docs/reference.md'), 'run npm run reference').to.equal(await referencePage())
    expect(read('docs/config.schema.json'), 'run npm run reference').to.equal(editorSchema())
  })

  it('has every metric that a source declares', async () => {
    const texts = sources.filter((file) => file !== DECLARES_FOR_OTHERS).map(read)
    const calls = texts.flatMap((text) => [...text.matchAll(/[.](?:counter|gauge|histogram)(?:<.*>)?\(/g)])
    const names = texts.flatMap((text) =>
      [...text.matchAll(/[.](?:counter|gauge|histogram)(?:<.*>)?\(\{\s*name: '([a-z_]+)'/g)].map(
        ([, name]) => METRIC_PREFIX + name!,
      ),
    )
    expect(names, 'a metric whose name this test cannot read').to.have.length(calls.length)
    const listed = [...(await declaredMetrics('edge')), ...(await declaredMetrics('ingest'))]
    expect(
      new Set(listed.map(({ name }) => name)),
      'declare metrics in an exported function called ...Metrics of a file metrics.ts',
    ).to.deep.equal(new Set(names))
  })
})

describe('docs/events.md', () => {
  const USER = '07e350b5-cb5f-4b5f-b6f0-7d1cd2c1e9a1'
  const SESSION = '5f0e1a2b-3c4d-4e5f-8a6b-7c8d9e0f1a2b'

  it('is what the recorded events say', () => {
    expect(read('docs/events.md'), 'run npm run reference').to.equal(eventsPage())
  })

  it('names patterns that let the event through', () => {
    const refused = TEMPLATES.filter(
      (template) =>
        !compileAcl([patternFor(template)]).allows(String(template.headers['required_acl']), USER, SESSION),
    )
    expect(refused.map(({ name }) => name)).to.deep.equal([])
  })
})

describe('docs/troubleshooting.md', () => {
  const text = read('docs/troubleshooting.md')
  const reference = read('docs/reference.md')

  it('names metrics and configuration keys that exist', () => {
    const metrics = [...text.matchAll(/`(websocketd_[a-z_]+)/g)].map(([, name]) => name!)
    const sections = 'auth|bus|websocket|redis|metrics|drain|console|limits'
    const keys = [...text.matchAll(new RegExp(`\`((?:${sections})\\.[a-z_]+)\``, 'g'))].map(([, key]) => key!)
    expect(metrics).not.to.be.empty
    expect(keys).not.to.be.empty
    const unknown = [...metrics, ...keys].filter((name) => !reference.includes(`\`${name}\``))
    expect(unknown).to.deep.equal([])
  })

  it('names each close code of PROTOCOL.md that a client may ask about', () => {
    for (const code of [1006, 1008, 1011, 1012, 1013, 4001, 4002, 4003]) expect(text).to.contain(`| ${code}`)
  })
})

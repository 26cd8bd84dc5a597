/** Kubernetes objects against the types of their kind, which have every field that there is: others are errors. */
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly labels?: Record<string, string> }
  readonly [field: string]: unknown
}

interface Checked {
  validate(): void
}

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const OF_OPERATOR = '@kubernetes-models/prometheus-operator'

/** The module that has a kind: `v1` is the core, `policy/v1` and others are folders of their name. */
function moduleOf({ apiVersion, kind }: Manifest): string {
  const models = apiVersion.startsWith('monitoring.coreos.com/') ? OF_OPERATOR : 'kubernetes-models'
  return `${models}/${apiVersion}/${kind}`
}

/** What is wrong with the formats of values, such as quantities and numbers. */
export async function formatErrors(manifest: Manifest): Promise<string[]> {
  const models = (await import(moduleOf(manifest))) as Record<string, new (data: object) => Checked>
  const Model = models[manifest.kind]
  if (Model === undefined) return [`there is no kind ${manifest.kind}`]
  try {
    new Model(manifest).validate()
    return []
  } catch (error) {
    return [`${manifest.kind} ${manifest.metadata.name}: ${String(error)}`]
  }
}

/** What the compiler says of all objects, written down as values of their types: wrong, missing and unknown fields. */
export function typeErrors(manifests: readonly Manifest[]): string[] {
  const file = join(ROOT, 'test/deploy/support/manifests.checked.ts')
  const lines = manifests.flatMap((manifest, at) => [
    `import type { I${manifest.kind} as I${at} } from '${moduleOf(manifest)}'`,
    `export const m${at}: I${at} = ${JSON.stringify(manifest)}`,
  ])
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    strict: true,
    skipLibCheck: true,
    noEmit: true,
    types: [],
  }
  const disk = ts.createCompilerHost(options)
  const source = lines.join('\n')
  const host: ts.CompilerHost = {
    ...disk,
    readFile: (name) => (name === file ? source : disk.readFile(name)),
    fileExists: (name) => name === file || disk.fileExists(name),
    getSourceFile: (name, ...rest) =>
      name === file
        ? ts.createSourceFile(name, source, ts.ScriptTarget.ES2023)
        : disk.getSourceFile(name, ...rest),
    getCurrentDirectory: () => dirname(file),
  }
  const program = ts.createProgram([file], options, host)
  return ts.getPreEmitDiagnostics(program).map((diagnostic) => {
    const at = diagnostic.file?.getLineAndCharacterOfPosition(diagnostic.start ?? 0).line
    const of = at === undefined ? undefined : manifests[Math.floor(at / 2)]
    const text = ts.flattenDiagnosticMessageText(diagnostic.messageText, ' ')
    return `${of?.kind ?? '?'} ${of?.metadata.name ?? ''}: ${text}`
  })
}

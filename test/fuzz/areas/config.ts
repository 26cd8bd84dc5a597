/** Configuration files and environments: YAML with wrong types, unknown keys, merge keys, bombs of aliases, and noise. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { ConfigError } from '@wazo-websocketd/shared/config/error'
import { loadConfig, readConfig } from '@wazo-websocketd/shared/config/load'
import { configReport } from '@wazo-websocketd/shared/config/report'
import { configSchema } from '@wazo-websocketd/shared/config/schema'
import { z } from 'zod'
import { hold, Tally, type Area, type Subject } from '../area.js'
import { damaged, noise, oddJson, oddName } from '../odd.js'

/** A hostile file may not keep a program from starting for longer. */
const READ_MS_MAX = 10_000
const SECRET = 'a-canary-of-a-password'

interface Input {
  readonly file: Buffer
  readonly environment: Readonly<Record<string, string>>
}

/** Every key of the schema, with dots. */
const KEYS: readonly string[] = keysOf(configSchema)

function keysOf(schema: z.ZodObject, prefix = ''): string[] {
  return Object.entries(schema.shape).flatMap(([key, child]) =>
    child instanceof z.ZodObject
      ? [`${prefix}${key}`, ...keysOf(child, `${prefix}${key}.`)]
      : [`${prefix}${key}`],
  )
}

const scalar = fc.oneof(
  fc.constantFrom(
    '1',
    '0',
    '-1',
    '0.5',
    '1e3',
    '1e400',
    '.inf',
    '.nan',
    '0x10',
    '0o17',
    '1:30',
    '1_000',
    '9502',
    '65536',
    '9007199254740993',
  ),
  fc.constantFrom(
    'true',
    'yes',
    'off',
    'y',
    'null',
    '~',
    '',
    '!!binary aGk=',
    '!!set {a}',
    '!!omap [a: 1]',
    '!custom x',
    '2026-01-01',
    '*unknown',
    '&a x',
    '<<',
    '? a',
  ),
  fc.constantFrom(
    '[]',
    '{}',
    '[a:1, b:2]',
    '[[[]]]',
    '['.repeat(6_000),
    '{a: {b: c}}',
    '[127.0.0.1:6379]',
    '"\\x00\\e"',
    "'",
    '"',
    '|\n    text',
    '>-\n    text',
    '- x',
  ),
  fc.constantFrom(
    'redis://x:y%zz@h',
    'redis://h/99999999',
    'rediss://h#x',
    'localhost',
    '/nowhere',
    '10.0.0.0/8',
    '::1/129',
    'info',
    'acl',
    'auto',
    SECRET,
  ),
  oddName.map((name) => JSON.stringify(name)),
  oddJson,
)
const key = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...KEYS) },
  { weight: 1, arbitrary: oddName.map((name) => JSON.stringify(name)) },
)

/** `a.b: value` as the lines of its mappings. */
function lines(path: string, value: string): string {
  const parts = path.split('.')
  return parts
    .map((part, depth) => `${'  '.repeat(depth)}${part}:${depth === parts.length - 1 ? ` ${value}` : ''}`)
    .join('\n')
}

const bomb = fc.integer({ min: 2, max: 12 }).map((levels) => {
  const nested = Array.from(
    { length: levels },
    (_, i) => `b${i + 1}: &b${i + 1} [${Array(9).fill(`*b${i}`).join()}]`,
  )
  return ['b0: &b0 [x]', ...nested].join('\n')
})
const snippet = fc.oneof(
  { weight: 12, arbitrary: fc.tuple(key, scalar).map(([path, value]) => lines(path, value)) },
  { weight: 1, arbitrary: bomb },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'base: &base {host: h, port: 1}\nbus:\n  <<: *base',
      'bus: &bus\n  <<: *bus',
      '<<: [1, 2]',
      '<<: {debug: true}',
      'a: &a {b: *a}',
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '\tdebug: true',
      'bus:\n\thost: h',
      '---\n...\n---',
      '%YAML 9.9\n---',
      '# only a comment',
      '[',
      '{'.repeat(6_000),
      '- '.repeat(6_000),
      'a:\n '.repeat(20),
    ),
  },
)
/** Without it every file fails for the same reason. */
const CREDENTIALS = `auth: {username: service, password: ${SECRET}, key_file: null}`
const file = fc
  .tuple(fc.constantFrom(CREDENTIALS, CREDENTIALS, CREDENTIALS, ''), fc.array(snippet, { maxLength: 3 }))
  .map(([head, rest]) => Buffer.from([head, ...rest].join('\n')))
const variable = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .constantFrom(...KEYS)
      .map((path) => `WAZO_WEBSOCKETD_${path.replaceAll('.', '__').toUpperCase()}`),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'WAZO_WEBSOCKETD_',
      'WAZO_WEBSOCKETD___',
      'WAZO_WEBSOCKETD___PROTO__',
      'WAZO_WEBSOCKETD_BUS',
      'XIVO_UUID',
      'WAZO_WEBSOCKETD_BUS__HOST__X',
      'PATH',
    ),
  },
)
const input: fc.Arbitrary<Input> = fc.record({
  file: fc.oneof(
    { weight: 8, arbitrary: file },
    { weight: 2, arbitrary: damaged(file, 2) },
    { weight: 1, arbitrary: noise(60) },
  ),
  environment: fc
    .array(fc.tuple(variable, scalar), { maxLength: 2 })
    .map((pairs) => Object.fromEntries(pairs)),
})

class ConfigReader implements Subject<Input> {
  readonly outcomes = new Tally()
  private readonly directory = mkdtempSync(join(tmpdir(), 'wazo-fuzz-'))
  private readonly path = join(this.directory, 'config.yml')

  take({ file, environment }: Input): number {
    writeFileSync(this.path, file)
    const sources = {
      program: 'wazo-websocketd-edge' as const,
      configFile: this.path,
      debug: false,
      user: null,
      environment,
    }
    const began = performance.now()
    const refusal = refusalOf(() => void loadConfig(sources))
    hold(performance.now() - began < READ_MS_MAX, 'reading takes too long')
    if (refusal !== null) hold(isOneLine(refusal), () => `not one line: ${JSON.stringify(refusal)}`)
    refusalOf(() => {
      const report = configReport(readConfig(sources))
      hold(
        !report.includes(SECRET) || saysSecretElsewhere(file, environment),
        () => `a secret is shown: ${report}`,
      )
    })
    this.outcomes.add(
      refusal === null ? 'accepted' : refusal.includes('not valid YAML') ? 'no YAML' : 'refused',
    )
    return 1
  }

  close(): void {
    rmSync(this.directory, { recursive: true })
  }
}

/** The message of a ConfigError, or null; any other error is a violation. */
function refusalOf(task: () => void): string | null {
  try {
    task()
    return null
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
}

function isOneLine(text: string): boolean {
  return !/[\p{Cc}\u2028\u2029]/u.test(text)
}

/** The word was generated as the value of another key, where it is no secret. */
function saysSecretElsewhere(file: Buffer, environment: Input['environment']): boolean {
  const all = [file.toString(), ...Object.values(environment)].join('\n')
  return all.split(SECRET).length > 2 || !all.includes(CREDENTIALS)
}

export const config: Area<Input> = {
  name: 'config',
  unit: 'configurations',
  total: 10_000,
  inputs: input,
  open: () => Promise.resolve(new ConfigReader()),
}

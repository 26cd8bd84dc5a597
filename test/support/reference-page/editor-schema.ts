/** The text of docs/config.schema.json: what editors check and complete a configuration file by. */
import { configSchema } from '@wazo-websocketd/shared/config/schema'
import { z } from 'zod'
import { configurationKeys } from './keys.js'

interface JsonSchema {
  description?: string
  additionalProperties?: boolean
  readonly anyOf?: readonly JsonSchema[]
  readonly properties?: Readonly<Record<string, JsonSchema>>
}

/** JSON Schema (2020-12) with the meaning of each key; unknown keys are marked. */
export function editorSchema(): string {
  const meanings = new Map(configurationKeys().map(({ key, meaning }) => [key, meaning]))
  const schema = z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' }) as JsonSchema
  describe(schema, '', meanings)
  return `${JSON.stringify({ title: 'Configuration of wazo-websocketd-cluster', ...schema }, null, 2)}\n`
}

function describe(schema: JsonSchema, key: string, meanings: ReadonlyMap<string, string>): void {
  const meaning = meanings.get(key)
  if (meaning !== undefined) schema.description = meaning
  for (const each of schema.anyOf ?? []) if (each.properties !== undefined) describe(each, key, meanings)
  if (schema.properties === undefined) return
  schema.additionalProperties = false
  for (const [name, inner] of Object.entries(schema.properties))
    describe(inner, key === '' ? name : `${key}.${name}`, meanings)
}

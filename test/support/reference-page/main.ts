/** `npm run reference`: writes docs/reference.md, docs/events.md and docs/config.schema.json anew. */
import { writeFileSync } from 'node:fs'
import { editorSchema } from './editor-schema.js'
import { eventsPage } from './events.js'
import { referencePage } from './page.js'

const DOCS = new URL('../../../docs/', import.meta.url)
writeFileSync(new URL('reference.md', DOCS), await referencePage())
writeFileSync(new URL('events.md', DOCS), eventsPage())
writeFileSync(new URL('config.schema.json', DOCS), editorSchema())

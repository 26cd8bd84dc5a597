/** `npm run reference`: writes docs/reference.md and docs/events.md anew. */
import { writeFileSync } from 'node:fs'
import { eventsPage } from './events.js'
import { referencePage } from './page.js'

const DOCS = new URL('../../../docs/', import.meta.url)
writeFileSync(new URL('reference.md', DOCS), await referencePage())
writeFileSync(new URL('events.md', DOCS), eventsPage())

/** `npm run reference`: writes docs/reference.md anew. */
import { writeFileSync } from 'node:fs'
import { referencePage } from './page.js'

writeFileSync(new URL('../../../docs/reference.md', import.meta.url), await referencePage())

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { temporaryDirectory } from '../support/guard.mjs'

const run = promisify(execFile)
const UNITS = ['wazo-websocketd', 'wazo-websocketd-ingest']
const SHIPPED = new URL('../../deploy/systemd/', import.meta.url)
const PACKAGES = fileURLToPath(new URL('../../packages/', import.meta.url))
// Of 100; the units of the service that these replace have 96.
const EXPOSURE_MAX = '20'

describe('The systemd units', function () {
  this.timeout(20_000)

  before(function () {
    if (!existsSync('/usr/bin/systemd-analyze')) this.skip()
  })

  /** The unit with the programs of this checkout, since those in /usr/bin come with an installation. */
  async function unit(name: string): Promise<string> {
    const text = await readFile(new URL(`${name}.service`, SHIPPED), 'utf8')
    const file = join(await temporaryDirectory('units'), `${name}.service`)
    const here = text
      .replace(/\/usr\/bin\/(wazo-websocketd-(edge|ingest))\b/g, `${PACKAGES}$2/bin/$1.js`)
      .replace(/\/usr\/bin\/(wazo-websocketd-wait-online)\b/g, `${PACKAGES}edge/bin/$1.js`)
    await writeFile(file, here)
    return file
  }

  for (const name of UNITS) {
    it(`are understood by systemd without a remark: ${name}`, async () => {
      const { stdout, stderr } = await run('systemd-analyze', ['verify', await unit(name)])
      expect(stdout + stderr).to.equal('')
    })

    it(`leave the program few rights: ${name}`, async () => {
      const file = await unit(name)
      const args = ['security', '--offline=true', `--threshold=${EXPOSURE_MAX}`, file]
      const { stdout } = await run('systemd-analyze', args)
      expect(stdout).to.match(/Overall exposure level for \S+: [01]\.\d OK/)
    })
  }
})

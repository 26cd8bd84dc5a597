import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defaultConfigFile } from '@wazo-websocketd/shared/config/default-file'
import { readConfig } from '@wazo-websocketd/shared/config/load'
import { resolve } from '@wazo-websocketd/shared/config/resolve'
import { expect } from 'chai'

describe('the configuration file with all defaults', () => {
  it('sets every key to its default, and is read without a warning', () => {
    const folder = mkdtempSync(join(tmpdir(), 'wazo-websocketd-'))
    const configFile = join(folder, 'config.yml')
    writeFileSync(configFile, defaultConfigFile())
    try {
      const sources = {
        program: 'wazo-websocketd-edge',
        configFile,
        debug: false,
        user: null,
        environment: {},
      } as const
      const { settings, problems, warnings } = readConfig(sources)
      const defaults = resolve(new Map()).settings
      expect([...settings.keys()]).to.have.members([...defaults.keys()])
      for (const [key, { value, source }] of settings) {
        expect(value, key).to.deep.equal(defaults.get(key)!.value)
        const lookedFor = ['auth.key_file', 'extra_config_files'].includes(key)
        expect(source, key).to.equal(lookedFor ? 'defaults' : configFile)
      }
      expect(warnings).to.deep.equal([])
      // As of an empty file: there are no credentials here.
      expect(problems).to.have.length(1)
      expect(problems[0]).to.match(/no credentials for wazo-auth/)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

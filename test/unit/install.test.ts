import { chmod, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { expect } from 'chai'
import { temporaryDirectory } from '../support/guard.mjs'
import { ensureDebian, ensureNode, isInstalled } from '../support/install.mjs'

describe('what a run needs', () => {
  it('is a Node from 20.19 on', () => {
    for (const version of ['20.19.0', '20.20.2', '22.0.0', '24.1.0'])
      expect(() => ensureNode(version), version).not.to.throw()
    for (const version of ['18.20.4', '20.18.3'])
      expect(() => ensureNode(version), version).to.throw(`Node 20.19 or newer is needed, this is ${version}`)
  })

  it('is looked for on the PATH', async () => {
    const directory = await temporaryDirectory('bin')
    const command = 'some-command-of-this-test'
    expect(isInstalled(command)).to.equal(false)
    const path = process.env['PATH']
    process.env['PATH'] = `${path}${delimiter}${directory}`
    try {
      await writeFile(join(directory, command), '#!/bin/sh\n')
      expect(isInstalled(command), 'not executable').to.equal(false)
      await chmod(join(directory, command), 0o755)
      expect(isInstalled(command)).to.equal(true)
    } finally {
      process.env['PATH'] = path
    }
  })

  it('is left alone when it is there', async () => {
    let failure: unknown
    await ensureDebian(['openssl', 'redis-server']).catch((error: unknown) => (failure = error))
    expect(failure).to.equal(undefined)
  })
})

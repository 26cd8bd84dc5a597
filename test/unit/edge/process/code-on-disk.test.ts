import { codeOnDisk } from '@wazo-websocketd/edge/process/code-on-disk'
import { expect } from 'chai'
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { temporaryDirectory } from '../../../support/guard.mjs'

describe('the code on disk', () => {
  it('stands next to the caller and has its extension', () => {
    expect(codeOnDisk('file:///a/src/main.ts', '/a/src/main.ts')('worker')).to.equal('/a/src/worker.ts')
    expect(codeOnDisk('file:///a/dist/main.js', '/nowhere/main.js')('worker')).to.equal('/a/dist/worker.js')
  })

  it('is that of the release to which a link leads now, and the one known last while it leads nowhere', async () => {
    const root = await temporaryDirectory('releases')
    for (const release of ['1', '2'])
      for (const folder of ['bin', 'dist']) {
        mkdirSync(join(root, release, folder), { recursive: true })
        writeFileSync(join(root, release, 'bin', 'edge.js'), '')
      }
    const link = join(root, 'edge')
    symlinkSync(join(root, '1', 'bin', 'edge.js'), link)
    const find = codeOnDisk(pathToFileURL(join(root, '1', 'dist', 'main.js')).href, link)
    expect(find('worker')).to.equal(join(root, '1', 'dist', 'worker.js'))
    symlinkSync(join(root, '2', 'bin', 'edge.js'), `${link}.new`)
    renameSync(`${link}.new`, link)
    expect(find('worker')).to.equal(join(root, '2', 'dist', 'worker.js'))
    rmSync(link)
    expect(find('worker')).to.equal(join(root, '1', 'dist', 'worker.js'))
  })
})

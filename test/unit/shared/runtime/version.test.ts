import { programVersion } from '@wazo-websocketd/shared/runtime/version'
import { expect } from 'chai'
import { readFileSync } from 'node:fs'

describe('the version', () => {
  it('is that of the package', () => {
    const description = JSON.parse(
      readFileSync(new URL('../../../../packages/shared/package.json', import.meta.url), 'utf8'),
    ) as { version: string }
    expect(programVersion()).to.equal(description.version)
  })
})

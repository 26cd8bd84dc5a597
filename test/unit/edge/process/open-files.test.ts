import { execFileSync } from 'node:child_process'
import { expect } from 'chai'
import { openFilesMax } from '@wazo-websocketd/edge/process/open-files'

describe('the limit of open files', () => {
  it('is that of this process', () => {
    const tool = execFileSync('prlimit', [
      '--pid',
      String(process.pid),
      '--nofile',
      '--noheadings',
      '-o',
      'SOFT',
    ])
    expect(openFilesMax()).to.equal(Number(tool.toString()))
  })

  it('is unknown where the system does not tell, or says "unlimited"', () => {
    const missing = () => {
      throw new Error('no such file')
    }
    expect(openFilesMax(missing)).to.equal(Infinity)
    expect(
      openFilesMax(() => 'Max open files            unlimited            unlimited            files'),
    ).to.equal(Infinity)
    expect(openFilesMax(() => '')).to.equal(Infinity)
  })
})

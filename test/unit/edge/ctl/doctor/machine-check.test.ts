import { checkOpenFiles } from '@wazo-websocketd/edge/ctl/doctor/machine-check'
import { expect } from 'chai'

describe('the check of open files', () => {
  it('passes where the limit of connections fits', () => {
    expect(checkOpenFiles(16_000, 200_000, true).level).to.equal('ok')
    expect(checkOpenFiles(16_000, Infinity, true).level).to.equal('ok')
  })

  it('names how many fit, and what to write into the unit', () => {
    const { level, what, remedy } = checkOpenFiles(16_000, 1_024, true)
    expect(level).to.equal('warning')
    expect(what).to.match(/may have 1024: \d+ connections/)
    expect(remedy).to.include('LimitNOFILE=18000')
  })
})

import { error, exitStatus, findingLine, ok, warning } from '@wazo-websocketd/edge/ctl/finding'
import { expect } from 'chai'

describe('a finding of doctor', () => {
  it('is one line with its remedy', () => {
    expect(findingLine(error('redis', 'it is a replica', 'set redis.url'))).to.equal(
      'error    redis: it is a replica -> set redis.url',
    )
    expect(findingLine(ok('uuid', 'x'))).to.equal('ok       uuid: x')
  })

  it('makes the status, the worst of all', () => {
    expect(exitStatus([])).to.equal(0)
    expect(exitStatus([ok('a', 'b')])).to.equal(0)
    expect(exitStatus([warning('a', 'b'), ok('a', 'b')])).to.equal(1)
    expect(exitStatus([error('a', 'b'), warning('a', 'b')])).to.equal(2)
  })
})

import { ENDINGS, endingOf, statusOf, statusTable } from '@wazo-websocketd/edge/client/close-status'
import * as close from '@wazo-websocketd/shared/domain/close'
import { expect } from 'chai'

describe('The statuses of the tail', () => {
  const catalogue = [
    ...Object.values(close).filter((entry) => typeof entry === 'object'),
    close.protocolError('x'),
    close.limitExceeded('x'),
  ] as readonly close.Close[]

  it('know every code of the catalogue, and come back with the same token when the catalogue says so', () => {
    const known = new Set(ENDINGS.map(({ code }) => code))
    for (const { code, comeBack } of catalogue) {
      expect(known.has(code), String(code)).to.equal(true)
      expect(endingOf(code).comeBack === 'again', String(code)).to.equal(comeBack)
    }
  })

  it('differ from code to code, and from those of other endings', () => {
    const statuses = ENDINGS.map(({ code }) => statusOf(code))
    expect(new Set(statuses).size).to.equal(ENDINGS.length)
    expect(statuses.every((status) => status > 3 && status < 128)).to.equal(true)
  })

  it('are 1 for a code that nobody knows, which is taken for a lost connection', () => {
    expect(statusOf(4999)).to.equal(1)
    expect(endingOf(4999).comeBack).to.equal('again')
  })

  it('stand in a table, a line each', () => {
    expect(statusTable().split('\n')).to.have.length(ENDINGS.length)
    expect(statusTable()).to.contain('  43  4003  ')
  })
})

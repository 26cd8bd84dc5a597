import { expect } from 'chai'
import * as close from '@wazo-websocketd/shared/domain/close'

const { CLOSE_CODES, comeBackAfterMs, meaningOf } = (await import(
  new URL('../../../../packages/edge/console/close-codes.js', import.meta.url).href
)) as {
  CLOSE_CODES: readonly [number, string, string][]
  comeBackAfterMs: (code: number) => number | null
  meaningOf: (code: number) => string
}

describe("The console's explanation of close codes", () => {
  const catalogue = [
    ...Object.values(close).filter((entry) => typeof entry === 'object'),
    close.protocolError('x'),
    close.limitExceeded('x'),
  ] as readonly close.Close[]

  it('knows every code of the catalogue, and comes back when the catalogue says so', () => {
    const known = new Set(CLOSE_CODES.map(([code]) => code))
    for (const { code, comeBack } of catalogue) {
      expect(known.has(code), String(code)).to.equal(true)
      expect(comeBackAfterMs(code) !== null, String(code)).to.equal(comeBack)
    }
  })

  it('comes back after a connection that just broke, and not when it was told to disconnect', () => {
    expect(comeBackAfterMs(1006)).to.be.a('number')
    expect(comeBackAfterMs(1000)).to.equal(null)
  })

  it('says so of a code that it does not know', () => {
    expect(meaningOf(4999)).to.equal('A code that this page does not know.')
  })
})

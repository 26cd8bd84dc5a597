import { expect } from 'chai'
import * as close from '@wazo-websocketd/shared/domain/close'

const PAGE_DIRECTORY = new URL('../../../../packages/edge/console/', import.meta.url)
const { CLOSE_CODES, meaningOf } = (await import(new URL('close-codes.js', PAGE_DIRECTORY).href)) as {
  CLOSE_CODES: readonly [number, string, string][]
  meaningOf: (code: number) => string
}
const { GIVE_UP, NEW_TOKEN } = (await import(new URL('wazo-events.js', PAGE_DIRECTORY).href)) as {
  GIVE_UP: ReadonlySet<number>
  NEW_TOKEN: ReadonlySet<number>
}

describe("The console's explanation of close codes", () => {
  const catalogue = [
    ...Object.values(close).filter((entry) => typeof entry === 'object'),
    close.protocolError('x'),
    close.limitExceeded('x'),
  ] as readonly close.Close[]

  it('knows every code of the catalogue, and its client comes back when the catalogue says so', () => {
    const known = new Set(CLOSE_CODES.map(([code]) => code))
    for (const { code, comeBack } of catalogue) {
      expect(known.has(code), String(code)).to.equal(true)
      expect(!GIVE_UP.has(code) && !NEW_TOKEN.has(code), String(code)).to.equal(comeBack)
    }
  })

  it('says so of a code that it does not know', () => {
    expect(meaningOf(4999)).to.equal('A code that this page does not know.')
  })
})

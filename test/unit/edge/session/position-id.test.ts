import { parsePositionId, positionId } from '@wazo-websocketd/edge/session/position-id'
import type { Epoch, Position } from '@wazo-websocketd/shared/domain/position'
import { expect } from 'chai'
import fc from 'fast-check'

const UUID = '7d2d9a4e-51a6-4f0c-9a5d-0c3a3f6ab004' as Epoch

describe('the text of a position', () => {
  it('has at most 64 characters with one partition, all of them allowed in a query', () => {
    const text = positionId([[0, { epoch: UUID, offset: Number.MAX_SAFE_INTEGER }]])
    expect(text).to.match(/^[A-Za-z0-9._-]{1,64}$/)
    expect(new URLSearchParams({ resume: text }).toString()).to.equal(`resume=${text}`)
  })

  it('is read as it was written, also with several partitions, epochs, and epochs of odd characters', () => {
    const position = fc.record({
      epoch: fc.constantFrom(UUID, 'other' as Epoch, 'é "/%&' as Epoch),
      offset: fc.nat(2 ** 53 - 1),
    })
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(fc.nat(64), position), { selector: ([at]) => at, minLength: 1 }),
        (rows) => {
          const text = positionId(rows as [number, Position][])
          expect(text).to.match(/^[!-~]+$/)
          expect([...parsePositionId(text)!]).to.deep.equal(rows)
        },
      ),
    )
  })

  it('names an epoch only where it is another than before', () => {
    const rows = [0, 1, 2].map((at) => [at, { epoch: UUID, offset: at }] as const)
    expect(positionId(rows)).to.equal(`${UUID}.0.0_.1.1_.2.2`)
  })

  for (const text of [
    ...['', '.', '..', '.0.0', 'e', 'e.0', 'e.0.', 'e..0', 'e.0.0.0', 'e.0.0_', 'e.0.0_e.0.1', '_e.0.0'],
    ...[
      'e.-1.0',
      'e.0.-1',
      'e.0.1.5',
      'e.0.A',
      'e.0.zzzzzzzzzzzz',
      'e.0.zzzzzzzzzzz',
      '%zz.0.0',
      'é',
      'e.0.0 ',
    ],
    `e.0.${'0'.repeat(20_000)}`,
  ])
    it(`is not ${JSON.stringify(text.slice(0, 30))}`, () => {
      expect(parsePositionId(text)).to.equal(null)
    })

  it('is never misread, whatever a client presents', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[e%.0-9az_]{1,12}$/), (text) => {
        const positions = parsePositionId(text)
        const again = positions === null ? null : parsePositionId(positionId(positions))
        expect(again).to.deep.equal(positions)
      }),
      { numRuns: 5_000 },
    )
  })
})

import { CrashLoop } from '@wazo-websocketd/edge/process/crash-loop'
import { expect } from 'chai'
import { FakeClock } from '../../../support/fakes/clock.js'

/** What is told of deaths that come every `everyMs`. */
function told(everyMs: number, deaths: number): string[] {
  const clock = new FakeClock()
  const loop = new CrashLoop(clock)
  return Array.from({ length: deaths }, () => {
    const { tell, deaths: counted } = loop.died()
    clock.advance(everyMs)
    return tell === 'loop' ? `loop of ${counted}` : (tell ?? 'nothing')
  })
}

describe('a crash loop', () => {
  it('is told at the fourth death within a minute, and then once a minute', () => {
    expect(told(5_000, 28)).to.deep.equal([
      ...['alone', 'alone', 'alone', 'loop of 4'],
      ...Array<string>(11).fill('nothing'),
      'loop of 12',
      ...Array<string>(11).fill('nothing'),
      'loop of 12',
    ])
  })

  it('is none where workers die now and then', () => {
    expect(told(20_000, 100)).to.deep.equal(Array<string>(100).fill('alone'))
  })
})

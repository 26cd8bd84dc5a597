import { expect } from 'chai'
import { Slots } from '@wazo-websocketd/edge/bus/slots'

describe('Slots', () => {
  it('gives as many turns as there are, then in the order in which they were asked for', () => {
    const slots = new Slots(2)
    const begun: string[] = []
    const [a, b] = ['a', 'b', 'c', 'd'].map((name) => slots.ask(() => begun.push(name)))
    expect(begun).to.deep.equal(['a', 'b'])
    b!.end()
    b!.end()
    expect(begun).to.deep.equal(['a', 'b', 'c'])
    a!.end()
    expect(begun).to.deep.equal(['a', 'b', 'c', 'd'])
  })

  it('passes over those that no longer wait', () => {
    const slots = new Slots(1)
    const begun: string[] = []
    const [a, b, c] = ['a', 'b', 'c'].map((name) => slots.ask(() => begun.push(name)))
    b!.end()
    a!.end()
    expect(begun).to.deep.equal(['a', 'c'])
    c!.end()
    slots.ask(() => begun.push('d'))
    expect(begun).to.deep.equal(['a', 'c', 'd'])
  })
})

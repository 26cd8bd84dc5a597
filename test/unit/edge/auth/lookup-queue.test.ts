import { expect } from 'chai'
import fc from 'fast-check'
import { LookupQueue, PendingLookup } from '@wazo-websocketd/edge/auth/lookup-queue'
import { parseTokenId } from '@wazo-websocketd/shared/domain/identity'
import type { LookupPriority } from '@wazo-websocketd/edge/session/ports'

const lookup = (token: string, since: number, priority: LookupPriority = 'connect') =>
  new PendingLookup({ token: parseTokenId(token)!, priority, address: '::1', since, deadline: since + 8_000 })

const order = (queue: LookupQueue, now: number, least: LookupPriority = 'connect') => {
  const tokens: string[] = []
  for (let next = queue.shift(least, now); next !== undefined; next = queue.shift(least, now))
    tokens.push(next.token)
  return tokens
}

describe('LookupQueue', () => {
  it('gives those of open sessions first, and newcomers in order of arrival while none waits long', () => {
    const queue = new LookupQueue(10)
    for (const token of ['a', 'b']) queue.add(lookup(token, 0))
    queue.add(lookup('s', 0, 'session'))
    expect(order(queue, 1_000)).to.deep.equal(['s', 'a', 'b'])
  })

  it('gives the newest newcomer first while the oldest has waited for more than a second', () => {
    const queue = new LookupQueue(10)
    for (const [i, token] of ['a', 'b', 'c'].entries()) queue.add(lookup(token, i * 600))
    expect(queue.shift('connect', 1_201)?.token).to.equal('c')
    queue.add(lookup('d', 1_202))
    expect(order(queue, 1_300)).to.deep.equal(['d', 'b', 'a'])
  })

  it('never gives a newcomer where only an open session may be asked about', () => {
    const queue = new LookupQueue(10)
    queue.add(lookup('a', 0))
    expect(order(queue, 9_000, 'session')).to.deep.equal([])
    expect(order(queue, 0)).to.deep.equal(['a'])
  })

  it('gives each once that has not been removed, whatever comes and goes', () => {
    const steps = fc.array(fc.tuple(fc.constantFrom('add', 'remove', 'shift', 'promote'), fc.nat(20)), {
      maxLength: 200,
    })
    fc.assert(
      fc.property(steps, fc.boolean(), (list, overload) => {
        const queue = new LookupQueue(1_000)
        const waiting = new Set<PendingLookup>()
        for (const [step, n] of list) {
          const some = [...waiting][n % Math.max(1, waiting.size)]
          if (step === 'add') {
            const one = lookup(`t${waiting.size}`, 0)
            waiting.add(one)
            queue.add(one)
          } else if (step === 'shift') {
            const next = queue.shift('connect', overload ? 5_000 : 0)
            expect(next === undefined).to.equal(waiting.size === 0)
            if (next !== undefined) expect(waiting.delete(next)).to.equal(true)
          } else if (some !== undefined && step === 'remove') {
            waiting.delete(some)
            expect(queue.remove(some)).to.equal(true)
          } else if (some !== undefined) queue.promote(some)
        }
        expect([...waiting].every((one) => queue.has(one))).to.equal(true)
      }),
    )
  })
})

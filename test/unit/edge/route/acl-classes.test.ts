import { AclClasses } from '@wazo-websocketd/edge/route/acl-classes'
import { expect } from 'chai'
import { randomUUID } from 'node:crypto'

const PATTERNS = 40

/** A list that names its user only in its last pattern, and neither in the middle nor at the end of that. */
function listOf(user: string): string[] {
  return Array.from({ length: PATTERNS }, (_, i) =>
    i === PATTERNS - 1
      ? `calld.users.${user}.calls.of.the.user.and.of.all.lines.${i}`
      : `confd.lines.${i}.read`,
  )
}

/** The same list; `read` is called for each pattern that is looked at. */
function watched(list: string[], read: () => void): string[] {
  return new Proxy(list, {
    get(target, key, receiver) {
      if (typeof key === 'string' && /^\d+$/.test(key)) read()
      return Reflect.get(target, key, receiver) as unknown
    },
  })
}

describe('AclClasses', () => {
  it('find the class of a list without a look at the lists of others, however many there are', () => {
    const classes = new AclClasses()
    let reads = 0
    const perList = (lists: number): number => {
      reads = 0
      for (let i = 0; i < lists; i++)
        classes.retain(classes.find(watched(listOf(randomUUID()), () => reads++)).acl)
      return reads / lists
    }
    const few = perList(10)
    expect(perList(500)).to.equal(few)
    expect(few).to.be.below(10 * PATTERNS)
    expect(classes.size).to.equal(510)
  })

  const ALIKE: readonly (readonly [string[], string[]])[] = [
    [
      ['a', 'b'],
      ['b', 'a'],
    ],
    [['a', 'b'], ['a,b']],
    [['a', 'b'], ['a","b']],
    [['ab'], ['a', 'b']],
    [['a\nb'], ['a', 'b']],
    [['a\0'], ['a']],
    [[], ['']],
    [['\ud800'], ['\ud801']],
    [['\ud800'], ['\ufffd']],
    [['é'], ['e\u0301']],
    [[`x${'a'.repeat(20_000)}x`], [`x${'a'.repeat(9_999)}b${'a'.repeat(10_000)}x`]],
  ]
  for (const [one, other] of ALIKE)
    it(`keep ${JSON.stringify(one).slice(0, 20)} and ${JSON.stringify(other).slice(0, 20)} apart`, () => {
      const classes = new AclClasses()
      expect(classes.retain(one)).not.to.equal(classes.retain(other))
      expect(classes.retain([...one])).to.equal(classes.find(one))
    })

  it('hold a class as long as one session of it is indexed', () => {
    const classes = new AclClasses()
    const [one, other] = [['a'], ['a']]
    const first = classes.retain(one)
    expect(classes.retain(other)).to.equal(first)
    classes.release(first)
    expect(classes.size).to.equal(1)
    classes.release(first)
    expect(classes.size).to.equal(0)
    const later = classes.retain(['a'])
    expect(later.id).not.to.equal(first.id)
    expect(classes.find(one), 'a list that was met before').to.equal(later)
  })
})

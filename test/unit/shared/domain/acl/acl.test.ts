import { compileAcl } from '@wazo-websocketd/shared/domain/acl/acl'
import { expect } from 'chai'
import fc from 'fast-check'
import { type Case, judge } from '../acl.oracle.js'

const USER = '07e350b5-cb5f-4b5f-b6f0-7d1cd2c1e9a1'
const SESSION = 'f2a5c0de-1111-4222-8333-444455556666'

function allows(patterns: string | readonly string[], text: string, user = USER, session = SESSION): boolean {
  return compileAcl(typeof patterns === 'string' ? [patterns] : patterns).allows(text, user, session)
}

describe('acl: one pattern against one required ACL', () => {
  for (const [pattern, text, expected] of [
    ['events.calls', 'events.calls', true],
    ['events.calls', 'events.calls.', false],
    ['events.calls', 'xevents.calls', false],
    ['events.calls', 'events-calls', false],
    ['', '', true],
    ['', 'a', false],
    ['#', '', true],
    ['#', 'a.b#c.\n', true],
    ['*', '', true],
    ['*', 'word', true],
    ['*', 'two.words', false],
    ['*', 'a#b', false],
    ['*', 'a\nb', true],
    ['a.#', 'a.', true],
    ['a.#', 'a', false],
    ['a.#', 'a.b.c', true],
    ['a#', 'a', true],
    ['#.c', '.c', true],
    ['#.c', 'c', false],
    ['#.c', 'a.b.c', true],
    ['a.*', 'a.', true],
    ['a.*', 'a.b', true],
    ['a.*', 'a.b.c', false],
    ['a.*.c', 'a.b.c', true],
    ['a.*.c', 'a..c', true],
    ['a.*.c', 'a.c', false],
    ['a.b*d', 'a.bcd', true],
    ['a.b*d', 'a.bd', true],
    ['a.b*d', 'a.b.d', false],
    ['a**b', 'ab', true],
    ['a##b', 'a.x.b', true],
    ['a*#b', 'a.xb', true],
    ['a#*b', 'a.xb', true],
    ['a*b*c', 'a-b-c', true],
    ['a*b*c', 'abb.c', false],
    ['#a*b#', 'a.b.ab', true],
    ['#a*b#', 'a.b.a#b', false],
    ['#a*b.c', 'ab.ab.c', true],
    ['#a*bc', 'abc#bcc', false],
    ['#ab#ba#', 'aba', false],
    ['#ab#ba#', 'abba', true],
    ['#ab*ba', 'aba', false],
    ['ab*ba', 'aba', false],
    ['ab#ba', 'aba', false],
    ['a#aba#ba', 'axxxaba', false],
    ['a#aba#ba', 'axxxababa', true],
    ['a+', 'aa', false],
    ['(a|b)', 'a', false],
    ['[a]', '[a]', true],
    ['a\\.b', 'a.b', false],
  ] as const)
    it(`${JSON.stringify(pattern)} ${expected ? 'matches' : 'does not match'} ${JSON.stringify(text)}`, () => {
      expect(allows(pattern, text)).to.equal(expected)
    })
})

describe('acl: words that stand for another word', () => {
  for (const [pattern, text, expected] of [
    ['events.calls.me', `events.calls.${USER}`, true],
    ['events.calls.me', 'events.calls.me', true],
    ['events.calls.me', `events.calls.${SESSION}`, false],
    ['events.calls.me', `events.calls.${USER}x`, false],
    ['events.me.calls', `events.${USER}.calls`, true],
    ['me', USER, true],
    ['me.*', `${USER}.x`, true],
    ['#.me', `a.b.${USER}`, true],
    ['#.me.#', `a.${USER}.b`, true],
    ['#.me.x', `a.${USER}.${USER}.x`, true],
    ['#.me.edit', `a.${USER}.b.${USER}.update`, true],
    ['#.me.edit', `a.${USER}.update.x`, false],
    ['*.me', `a.${USER}`, true],
    ['*.me.*.me', `.${USER}..${USER}`, true],
    ['#*.me', 'x', false],
    ['#x.me', 'me', false],
    ['meme', `me${USER}`, false],
    ['me*', USER, false],
    ['#me', `x.${USER}`, false],
    ['a.me#', `a.${USER}`, false],
    ['ME', USER, false],
    ['sessions.my_session', `sessions.${SESSION}`, true],
    ['sessions.my_session', 'sessions.my_session', true],
    ['sessions.my_session', `sessions.${USER}`, false],
    ['a.edit', 'a.update', true],
    ['a.edit', 'a.edit', true],
    ['a.update', 'a.edit', false],
    ['a.edited', 'a.updateed', false],
    ['edit.me', `update.${USER}`, true],
  ] as const)
    it(`${pattern} ${expected ? 'matches' : 'does not match'} ${text}`, () => {
      expect(allows(pattern, text)).to.equal(expected)
    })

  it('takes a uuid literally, whatever characters it is made of', () => {
    for (const user of ['.*', 'a.b', '#', '*', '(', '[a-z]+', '', '$&', 'me.me', '\\']) {
      expect(allows('x.me.y', `x.${user}.y`, user), user).to.equal(true)
      expect(allows('x.me.y', 'x.other.y', user), user).to.equal(false)
      expect(allows('!x.me.y', `x.${user}.y`, user), user).to.equal(false)
      expect(allows(['#', '!x.me.y'], `x.${user}.y`, user), user).to.equal(false)
    }
  })

  it('takes a uuid for what it is when it begins or ends like the word', () => {
    for (const user of ['mexico', 'home', 'm', 'e', 'my_session', 'edit'])
      for (const pattern of ['#.me', 'x.me', 'x.me.#', '*.me', 'me.y', 'me.*', '#.me.y', 'x.me.y']) {
        const text = pattern.replace('me', user).replace('#', 'x').replace('*', 'x')
        expect(allows(pattern, text, user), `${pattern} ${text}`).to.equal(true)
        expect(allows(pattern, text, 'else'), `${pattern} ${text}`).to.equal(false)
      }
  })

  it('finds every way in which a uuid with dots can match', () => {
    expect(allows('me.b.c', 'a.b.c', 'a')).to.equal(true)
    expect(allows('me.c', 'a.b.c', 'a.b')).to.equal(true)
    expect(allows('me.me', 'me.x.me', 'me.x')).to.equal(true)
    expect(allows('me.me', 'me.me.x', 'me.x')).to.equal(true)
    expect(allows('#.me.*', 'a.me.x.y', 'me.x')).to.equal(true)
    expect(allows('me.*', 'me.x.y.z', 'me.x')).to.equal(false)
    expect(allows('my_session.me', 'a.b.c', 'c', 'a.b')).to.equal(true)
  })
})

describe('acl: a list of patterns', () => {
  it('allows nothing when empty', () => {
    expect(allows([], '')).to.equal(false)
    expect(allows([], 'a')).to.equal(false)
  })

  it('allows what any pattern allows', () => {
    const list = ['a.b', 'c.*', '*.d', 'e.me.#']
    for (const text of ['a.b', 'c.x', 'x.d', `e.${USER}.`]) expect(allows(list, text), text).to.equal(true)
    for (const text of ['a.c', 'c', 'd', 'e.x.']) expect(allows(list, text), text).to.equal(false)
  })

  it('denies what any ! pattern matches, wherever it stands in the list', () => {
    expect(allows(['#', '!a.b'], 'a.b')).to.equal(false)
    expect(allows(['!a.*', 'a.b', '#'], 'a.b')).to.equal(false)
    expect(allows(['!a.*', '#'], 'a.b.c')).to.equal(true)
    expect(allows(['!#', '#'], 'x')).to.equal(false)
    expect(allows(['!a'], 'b')).to.equal(false)
  })

  it('takes only the first ! as the sign', () => {
    expect(allows(['!!a', '#'], '!a')).to.equal(false)
    expect(allows(['!!a', '#'], 'a')).to.equal(true)
    expect(allows(['!', '#'], '')).to.equal(false)
  })

  it('knows whether the answer can depend on who asks', () => {
    expect(compileAcl(['a.me.b']).personal).to.equal(true)
    expect(compileAcl(['#', '!my_session']).personal).to.equal(true)
    expect(compileAcl(['a.meme', 'me*', '#me', 'a.edit', '#']).personal).to.equal(false)
    expect(compileAcl([]).personal).to.equal(false)
  })
})

describe('acl: against a regular-expression oracle', () => {
  const word = fc.constantFrom('', 'a', 'b', 'ab', 'me', 'my_session', 'edit', 'update', 'u1', 's1')
  const wild = fc.constantFrom('*', '#', 'a*', '*b', 'a#', '#b', 'a*b', 'b#a', '**', '*#', 'a*a*b', '#me')
  const special = fc.constantFrom('me', 'my_session', 'edit')
  const patternOf = fc
    .array(
      fc.oneof(
        { weight: 4, arbitrary: word },
        { weight: 3, arbitrary: wild },
        { weight: 2, arbitrary: special },
      ),
      {
        minLength: 1,
        maxLength: 5,
      },
    )
    .map((words) => words.join('.'))
  const uuid = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('u1', 's1', 'a', 'ab') },
    { weight: 2, arbitrary: fc.constantFrom('a.b', 'me.a', '.', '', 'a+b', '#', 'a#', '*', 'me', '.*') },
  )
  const filling = fc.constantFrom('', 'a', 'b', 'ab', '#', 'u1')
  const crossing = fc.constantFrom('', '.', 'a.b', '.a.', 'b', 'a#b', '.me.')

  /** A text that the pattern matches, spelled out by the given choices. */
  function spell(pattern: string, user: string, session: string, fills: string[], crosses: string[]): string {
    let turn = 0
    const pick = (list: string[]) => list[turn++ % list.length]!
    return pattern
      .split('.')
      .map((w) => {
        if (w === 'me') return pick(['me', user, user])
        if (w === 'my_session') return pick(['my_session', session, session])
        if (w === 'edit') return pick(['edit', 'update'])
        return w.replace(/[*#]/g, (c) => pick(c === '*' ? fills : crosses))
      })
      .join('.')
  }

  const spelled = fc.record({
    pattern: patternOf,
    user: uuid,
    session: uuid,
    fills: fc.array(filling, { minLength: 1, maxLength: 4 }),
    crosses: fc.array(crossing, { minLength: 1, maxLength: 4 }),
    others: fc.array(patternOf, { maxLength: 3 }),
    signs: fc.array(fc.constantFrom('', '', '', '!'), { minLength: 4, maxLength: 4 }),
    tail: fc.constantFrom('', '', '', '', '.', 'a', '.a'),
  })
  const drawn: fc.Arbitrary<Case> = spelled.map(
    ({ pattern, user, session, fills, crosses, others, signs, tail }) => ({
      patterns: [...others, pattern].map((p, i) => (signs[i] ?? '') + p),
      text: spell(pattern, user, session, fills, crosses) + tail,
      user,
      session,
    }),
  )

  it('decides every case as the oracle does, over a mix that means something', () => {
    const seen = { cases: 0, matched: 0, denied: 0, me: 0, no: 0 }
    fc.assert(
      fc.property(drawn, (c) => {
        const expected = judge(c)
        seen.cases++
        if (expected !== 'no') seen.matched++
        if (expected === 'denied') seen.denied++
        if (expected === 'no') seen.no++
        if (c.patterns.some((p) => /(^!?|\.)me(\.|$)/.test(p))) seen.me++
        expect(allows(c.patterns, c.text, c.user, c.session)).to.equal(expected === 'allowed')
      }),
      { numRuns: 8_000 },
    )
    expect(seen.matched / seen.cases, 'matched').to.be.at.least(0.3)
    expect(seen.denied / seen.cases, 'denied').to.be.at.least(0.1)
    expect(seen.me / seen.cases, 'use me').to.be.at.least(0.1)
    expect(seen.no / seen.cases, 'no match').to.be.at.least(0.1)
  }).timeout(30_000)

  it('decides single patterns over short texts as the oracle does', () => {
    const text = fc
      .array(fc.constantFrom('a', 'b', '.', '#', 'me', 'edit', 'update', 'u1'), { maxLength: 9 })
      .map((parts) => parts.join(''))
    const pattern = fc
      .array(fc.constantFrom('a', 'b', '.', '.', '*', '#', 'me', 'edit'), { maxLength: 9 })
      .map((parts) => parts.join(''))
    let matched = 0
    let cases = 0
    fc.assert(
      fc.property(pattern, text, (p, t) => {
        const expected = judge({ patterns: [p], text: t, user: 'u1', session: 's1' }) === 'allowed'
        cases++
        if (expected) matched++
        expect(allows([p], t, 'u1', 's1'), `${p} against ${t}`).to.equal(expected)
      }),
      { numRuns: 8_000 },
    )
    expect(matched / cases).to.be.at.least(0.02)
  }).timeout(30_000)
})

describe('acl: patterns made to be slow', () => {
  const PATTERNS = 5_000
  const BYTES = 512

  /** CPU milliseconds of this process: unlike wall time it does not depend on what else runs here. */
  function cpuMs(task: () => void): number {
    const before = process.cpuUsage()
    task()
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1_000
  }

  it('decides #a#a#a#a#a#a! against 160 and 60,000 characters at once', () => {
    for (const length of [160, 60_000]) {
      const ms = cpuMs(() => {
        expect(allows('#a#a#a#a#a#a!', 'a'.repeat(length))).to.equal(false)
        expect(allows('#a#a#a#a#a#a!#', 'a'.repeat(length))).to.equal(false)
        expect(allows('#a'.repeat(255), 'a'.repeat(length))).to.equal(length > 255)
      })
      expect(ms).to.be.below(50)
    }
  })

  const bombs: Record<string, (i: number) => string> = {
    'ends that never come': (i) => '#a'.repeat(250) + `#!${i}`,
    'middles that never come': (i) => '#a'.repeat(250) + `#b${i}#`,
    'needles that fail late': (i) => '#' + 'a'.repeat(500) + `b${i}#`,
    'needles that fail at their beginning': (i) => `#b${i}` + 'a'.repeat(500) + '#',
    'stars in words': (i) => '*a'.repeat(250) + `*b${i}*`,
    'stars between words': (i) => '#a.' + '*a.'.repeat(160) + `b${i}#`,
    'words with alternatives': (i) => '#' + '.me'.repeat(160) + `.b${i}#`,
  }
  for (const [name, bomb] of Object.entries(bombs))
    it(`decides ${PATTERNS} patterns of ${BYTES} bytes within their budget: ${name}`, () => {
      const acl = compileAcl(Array.from({ length: PATTERNS }, (_, i) => bomb(i)))
      for (const text of ['a'.repeat(16_384), 'a.'.repeat(8_192), '.me'.repeat(5_461)])
        for (const user of ['u', 'me.me']) {
          const ms = cpuMs(() => expect(acl.allows(text, user, 's')).to.equal(false))
          expect(ms, `${text.slice(0, 4)} ${user}`).to.be.below(150)
        }
    }).timeout(30_000)

  it('still finds what is cheap to find among them', () => {
    const acl = compileAcl([
      ...Array.from({ length: PATTERNS }, (_, i) => '#a'.repeat(250) + `#b${i}#`),
      '#a.a',
    ])
    expect(acl.allows('a'.repeat(1_000) + '.a', 'u', 's')).to.equal(true)
  })

  it('fails closed when the budget of a decision is spent, also when a ! pattern was not reached', () => {
    const length = 1_000
    const text = 'a.'.repeat(length)
    const costly = Array.from({ length: 2_000 }, (_, i) => '#a.' + '*a.'.repeat(100) + `b${i}#`)
    const late = '#' + 'a.'.repeat(250) + '*'
    expect(allows([late], text)).to.equal(true)
    expect(allows([...costly, late], text)).to.equal(false)
    expect(allows(['#', ...costly.map((p) => `!${p}`), '!zzz#zzz'], text)).to.equal(false)
  })
})

describe('acl: many ordinary patterns', () => {
  it('finds a literal and a wildcard pattern among 5,000', () => {
    const literals = Array.from({ length: 2_500 }, (_, i) => `confd.users.${i}.read`)
    const wild = Array.from({ length: 2_500 }, (_, i) => `service${i}.me.#`)
    const acl = compileAcl([...literals, ...wild])
    expect(acl.allows('confd.users.1234.read', USER, SESSION)).to.equal(true)
    expect(acl.allows('confd.users.2500.read', USER, SESSION)).to.equal(false)
    expect(acl.allows(`service2499.${USER}.x.y`, USER, SESSION)).to.equal(true)
    expect(acl.allows(`service2500.${USER}.x.y`, USER, SESSION)).to.equal(false)
  })
})

import { expect } from 'chai'
import fc from 'fast-check'
import { accept } from '@wazo-websocketd/edge/session/accept'

const read = (url: string, tokenHeader?: string) => accept({ url, tokenHeader, address: '' })

describe('accept', () => {
  for (const path of ['/', '/api/websocketd', '/api/websocketd/', '/any/path', ''])
    it(`takes token and version on the path "${path}"`, () => {
      expect(read(`${path}?token=abc&version=2`)).to.deep.equal({ version: 2, resume: null, token: 'abc' })
    })

  for (const [query, version] of [
    ['token=a', 1],
    ['token=a&version=', 1],
    ['token=a&version=1', 1],
    ['token=a&version=2', 2],
    ['token=a&version=&version=2', 2],
    ['token=a&version=2&version=1', 2],
    ['token=a&userUuid=42', 1],
  ] as const)
    it(`reads version ${version} from ${query}`, () => {
      expect(read(`/?${query}`)).to.deep.equal({ version, resume: null, token: 'a' })
    })

  for (const version of ['3', '0', 'x', '1.0', '-1', '2x', '%32x'])
    it(`closes version ${version} with 4004`, () => {
      expect(read(`/?token=a&version=${version}`))
        .to.deep.include({ reason: 'version' })
        .and.nested.include({ 'close.code': 4004 })
    })

  it('judges the version before the token', () => {
    expect(read('/?version=9')).to.nested.include({ 'close.code': 4004 })
  })

  for (const url of ['/', '/?', '/?token=', '/?token=&token=', '/?tokens=a', '/token=a'])
    it(`closes ${url} with 4001`, () => {
      expect(read(url)).to.deep.include({ reason: 'no-token' }).and.nested.include({ 'close.code': 4001 })
    })

  it('takes the first token that is not empty', () => {
    expect(read('/?token=&token=b&token=c')).to.deep.equal({ version: 1, resume: null, token: 'b' })
  })

  it('prefers the token of the query to that of the header', () => {
    expect(read('/?token=q', 'h')).to.deep.equal({ version: 1, resume: null, token: 'q' })
  })

  it('falls back to the header when the query has no token or an empty one', () => {
    expect(read('/', 'h')).to.deep.equal({ version: 1, resume: null, token: 'h' })
    expect(read('/?token=', 'h')).to.deep.equal({ version: 1, resume: null, token: 'h' })
  })

  it('treats an empty header as none', () => {
    expect(read('/', '')).to.nested.include({ 'close.code': 4001 })
  })

  for (const [query, resume] of [
    ['version=2', null],
    ['version=2&resume', ''],
    ['version=2&resume=', ''],
    ['version=2&resume=e.0.a', 'e.0.a'],
    ['version=2&resume=&resume=b&resume=c', 'b'],
    ['resume=e.0.a', null],
    ['version=1&resume', null],
  ] as const)
    it(`reads the position ${resume === null ? 'of none' : `"${resume}"`} from ${query}`, () => {
      expect(read(`/?token=a&${query}`)).to.have.property('resume', resume)
    })

  it('decodes the token', () => {
    expect(read('/?token=a%3Fscope%3Dx')).to.deep.equal({ version: 1, resume: null, token: 'a?scope=x' })
  })

  it('does not read a fragment', () => {
    expect(read('/?token=a#&version=2')).to.deep.equal({ version: 1, resume: null, token: 'a' })
  })

  it('takes a malformed percent-encoding as it is', () => {
    expect(read('/?token=%E0%A4%A')).to.have.property('token')
    expect(read('/?token=%zz')).to.deep.equal({ version: 1, resume: null, token: '%zz' })
  })

  it('never throws', () => {
    fc.assert(
      fc.property(fc.string(), fc.option(fc.string(), { nil: undefined }), (url, header) => {
        const accepted = read(url, header)
        expect('close' in accepted || accepted.token !== '').to.equal(true)
      }),
    )
  })
})

import { ConfigError } from '@wazo-websocketd/shared/config/error'
import { leafAt } from '@wazo-websocketd/shared/config/tree'
import { parseYaml, parseYamlValue } from '@wazo-websocketd/shared/config/yaml-file'
import { expect } from 'chai'

function valueOf(text: string, ...path: string[]): unknown {
  return leafAt(parseYaml(text, 'f.yml').tree, path)?.value
}

describe('a YAML file', () => {
  it('reads yes and no as the older server does', () => {
    expect(valueOf('debug: yes', 'debug')).to.equal(true)
    expect(valueOf('debug: off', 'debug')).to.equal(false)
  })

  it('reads a single y or n as a text, as the older server does', () => {
    expect(valueOf('username: y', 'username')).to.equal('y')
    expect(valueOf('username: N', 'username')).to.equal('N')
  })

  it('takes an empty file, or one of comments, for an empty mapping', () => {
    expect(parseYaml('', 'f.yml').tree.size).to.equal(0)
    expect(parseYaml('# nothing\n', 'f.yml').tree.size).to.equal(0)
  })

  it('resolves anchors', () => {
    expect(valueOf('a: &x {k: 1}\nb: *x\n', 'b', 'k')).to.equal(1)
  })

  it('keeps a key named __proto__ as a key', () => {
    expect(valueOf('__proto__: {x: 1}', '__proto__', 'x')).to.equal(1)
  })

  it('takes the last value of a repeated key and says so', () => {
    const file = parseYaml('debug: true\ndebug: false\n', 'f.yml')
    expect(leafAt(file.tree, ['debug'])?.value).to.equal(false)
    expect(file.warnings).to.deep.equal(['f.yml: line 2: repeats a key; its last value counts'])
  })

  it('names file and line of a syntax error', () => {
    expect(() => parseYaml('debug: true\nbus: [1\nx: 2\n', 'f.yml')).to.throw(
      ConfigError,
      /^f\.yml: line 3: not valid YAML: /,
    )
  })

  it('refuses what is nested so deeply that reading it would end the process', () => {
    for (const text of ['['.repeat(9_000), '{a: '.repeat(9_000), '- '.repeat(9_000), '? '.repeat(9_000)]) {
      expect(() => parseYaml(text, 'f.yml')).to.throw(
        ConfigError,
        'f.yml: not valid YAML: more than 500 levels',
      )
      expect(parseYamlValue(text)).to.equal(undefined)
    }
    expect(parseYamlValue('['.repeat(100) + ']'.repeat(100))).to.be.an('array')
    expect(parseYamlValue('[] '.repeat(2_000).replace(/^|$/g, "'"))).to.be.a('string')
  })

  it('names it in one line also where the file is no text', () => {
    for (const text of ['>\0', '|\u0085x', 'a: >\u001b[2J', '%\u2028'])
      expect(() => parseYaml(text, 'f\n.yml'), JSON.stringify(text))
        .to.throw(ConfigError)
        .with.property('message')
        .that.does.not.match(/[\p{Cc}\u2028\u2029]/u)
  })

  it('does not repeat the file in its error, which may hold a password', () => {
    expect(() => parseYaml('password: [hunter2\nx: 2\n', 'f.yml'))
      .to.throw(ConfigError)
      .with.property('message')
      .that.does.not.include('hunter2')
  })

  const tags: readonly (readonly [string, string])[] = [
    ['bus: !exec {command: "x"}', 'bus: the tag !exec'],
    ['bus: {password: !include secret.yml}', 'bus.password: the tag !include'],
    ['bus: {hosts: [!env A]}', 'bus.hosts: the tag !env'],
    ['a: !!python/object/apply:os.system [x]', 'a: the tag !!python/object/apply:os.system'],
    ['uuid: !<tag:example.org,2000:x> 5', 'uuid: the tag tag:example.org,2000:x'],
    ['!exec {command: x}', 'the tag !exec'],
    ['!exec debug: true', 'debug: the tag !exec'],
    ['debug: !exec', 'debug: the tag !exec'],
    ['a: &x {b: !exec y}\nc: *x', 'a.b: the tag !exec'],
    ['%TAG !e! tag:example.org,2000:\n---\na: !e!x y', 'a: the tag tag:example.org,2000:x'],
  ]
  for (const [text, what] of tags)
    it(`refuses the tag of ${JSON.stringify(text)}`, () => {
      expect(() => parseYaml(text, 'f.yml'))
        .to.throw(ConfigError)
        .with.property('message', `f.yml: ${what} is not supported; write the value itself`)
    })

  it('takes the tags of YAML itself', () => {
    expect(valueOf('uuid: !!str 0123', 'uuid')).to.equal('0123')
    expect(valueOf('bus: !!map {port: !!int "5"}', 'bus', 'port')).to.equal(5)
    expect(valueOf('user: ! x', 'user')).to.equal('x')
  })

  it('keeps how a number is written', () => {
    const { tree } = parseYaml('a: 0123\nb: {c: 1e5}\nd: [010]\ne: "5"\nf: &n 0x1\ng: *n', 'f.yml')
    expect(leafAt(tree, ['a'])).to.deep.equal({ value: 83, source: 'f.yml', spelling: '0123' })
    expect(leafAt(tree, ['b', 'c'])?.spelling).to.equal('1e5')
    expect(leafAt(tree, ['d'])).to.deep.equal({ value: [8], source: 'f.yml' })
    expect(leafAt(tree, ['e'])).to.deep.equal({ value: '5', source: 'f.yml' })
    expect(leafAt(tree, ['g'])?.spelling).to.equal('0x1')
  })

  it('refuses what is no mapping', () => {
    expect(() => parseYaml('- a\n- b\n', 'f.yml')).to.throw(ConfigError, 'f.yml: must be a mapping')
  })

  it('refuses aliases that multiply without end', () => {
    const bomb = ['a0: &a0 [x,x,x,x,x,x,x,x,x]']
    for (let i = 1; i < 9; i++)
      bomb.push(`a${i}: &a${i} [${Array.from({ length: 9 }, () => `*a${i - 1}`).join(',')}]`)
    expect(() => parseYaml(bomb.join('\n'), 'f.yml')).to.throw(ConfigError, /alias/i)
  })
})

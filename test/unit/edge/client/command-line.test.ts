import { readTailCommandLine } from '@wazo-websocketd/edge/client/command-line'
import { expect } from 'chai'

function optionsOf(args: readonly string[], variable: string | undefined = 't', isTerminal = false) {
  const line = readTailCommandLine(args, variable, isTerminal)
  if (!('options' in line)) throw new Error(JSON.stringify(line))
  return line.options
}

describe("The tail's command line", () => {
  it('has defaults for all but the token', () => {
    expect(optionsOf([])).to.deep.include({
      url: new URL('ws://127.0.0.1:9502/'),
      names: ['*'],
      credential: { kind: 'token', token: 't' },
      style: 'json',
      filters: [],
      count: Infinity,
      reconnect: true,
      quiet: false,
    })
  })

  it('has names, filters and the rest', () => {
    const args = ['--url', 'wss://h/api/websocketd/', '--filter', 'a.b=1', '--filter', 'c=', '--count', '7']
    expect(optionsOf([...args, '--no-reconnect', '-q', 'x', 'y'])).to.deep.include({
      url: new URL('wss://h/api/websocketd/'),
      names: ['x', 'y'],
      filters: [
        { path: ['a', 'b'], value: '1' },
        { path: ['c'], value: '' },
      ],
      count: 7,
      reconnect: false,
      quiet: true,
    })
  })

  it('prints in a terminal what someone can read, unless it is told otherwise', () => {
    expect(optionsOf([], 't', true).style).to.equal('pretty')
    expect(optionsOf(['--json'], 't', true).style).to.equal('json')
    expect(optionsOf(['--pretty'], 't', false).style).to.equal('pretty')
  })

  it('takes a token on the line before the one in the environment, or a file', () => {
    expect(optionsOf(['--token', 'u']).credential).to.deep.equal({ kind: 'token', token: 'u' })
    expect(optionsOf(['--token-file', 'f']).credential).to.deep.equal({ kind: 'file', path: 'f' })
  })

  it('finds wazo-auth beside wazo-websocketd', () => {
    const login = (...args: string[]) => optionsOf(['--username', 'n', ...args]).credential
    expect(login('--url', 'wss://h:8443/api/websocketd/')).to.deep.equal({
      kind: 'login',
      username: 'n',
      authUrl: new URL('https://h:8443/api/auth'),
    })
    expect(login('--url', 'wss://u:p@h/api/websocketd')).to.deep.include({
      authUrl: new URL('https://h/api/auth'),
    })
    expect(login('--auth-url', 'http://a:9497')).to.deep.include({ authUrl: new URL('http://a:9497') })
  })

  for (const [args, message, variable] of [
    [[], /^no token: give --token-file, --username or --token, or set WAZO_TOKEN$/, ''],
    [['--url', 'http://h'], /^--url needs an address that begins with ws:\/\/ or wss:\/\/$/],
    [['--url', 'ws://h/?token=secret'], /^--url: give the token as/],
    [['--token', 'a', '--token-file', 'b'], /^only one of/],
    [['--username', 'n'], /^--username needs --auth-url/],
    [['--auth-url', 'http://h'], /^--auth-url needs --username$/],
    [['--username', 'n', '--auth-url', 'ftp://h'], /^--auth-url needs an address/],
    [['--username', 'n', '--auth-url', 'http://u:secret@h'], /^--auth-url: give the user as --username/],
    [['--count', '0'], /^--count needs a whole number from 1$/],
    [['--count', 'x'], /^--count needs/],
    [['--filter', 'x'], /^--filter needs PATH=VALUE/],
    [['--json', '--pretty'], /--json' cannot be used with option '--pretty'/],
    [['--tokn', 'secret'], /^unknown option '--tokn'/],
    [['--token', 'sec ret'], /^the token has characters that none has$/],
  ] as const)
    it(`refuses in one line, without a secret: ${args.join(' ')}`, () => {
      const line = readTailCommandLine(args, variable ?? 't', false)
      expect(line).to.have.property('wrong').that.matches(message)
      expect(JSON.stringify(line)).not.to.match(/\\n|sec ?ret/)
    })

  it('explains itself, with a status for each close code', () => {
    expect(readTailCommandLine(['--help'], undefined, false))
      .to.have.property('text')
      .that.matches(/Usage: wazo-websocketd-tail [^]*Exit status:[^]* {2}42 {2}4002 /)
    expect(readTailCommandLine(['--version'], undefined, false))
      .to.have.property('text')
      .that.matches(/^\d+\./)
  })
})

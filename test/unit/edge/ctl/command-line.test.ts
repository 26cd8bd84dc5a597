import { CTL_PROGRAM, readCtlCommandLine } from '@wazo-websocketd/edge/ctl/command-line'
import { optionsOrExit } from '@wazo-websocketd/shared/runtime/command-line'
import { expect } from 'chai'

class Ended extends Error {
  readonly status: number
  constructor(status: number) {
    super(`status ${status}`)
    this.status = status
  }
}

function parse(...argv: string[]) {
  const said = { out: '', err: '' }
  try {
    const line = optionsOrExit(CTL_PROGRAM, readCtlCommandLine(argv), {
      out: (text) => void (said.out += text),
      err: (text) => void (said.err += text),
      exit: (status) => {
        throw new Ended(status)
      },
    })
    return { line, ...said, status: null }
  } catch (error) {
    if (!(error instanceof Ended)) throw error
    return { line: null, ...said, status: error.status }
  }
}

const COMMON = { configFile: null, socket: null, json: false }

describe('the command line of wazo-websocketd-ctl', () => {
  it('has commands with common options', () => {
    for (const command of ['doctor', 'status', 'upgrade'])
      expect(parse(command).line).to.deep.equal({ command, common: COMMON })
    expect(parse('status', '-c', 'a.yml', '--socket', '/s', '--json').line!.common).to.deep.equal({
      configFile: 'a.yml',
      socket: '/s',
      json: true,
    })
  })

  it('has filters of sessions, and limits', () => {
    const given = ['--user', 'u', '--tenant', 't', '--token-hash', 'ABCDEF01', '--slow']
    const filter = { user: 'u', tenant: 't', tokenHash: 'abcdef01', slow: true, all: false }
    expect(parse('sessions', ...given, '--limit', '5', '--offset', '7').line).to.deep.equal({
      command: 'sessions',
      common: COMMON,
      options: { ...filter, limit: 5, offset: 7, close: null },
    })
    expect(parse('sessions', ...given, '--close', '1012').line).to.deep.equal({
      command: 'sessions',
      common: COMMON,
      options: { ...filter, limit: 100, offset: 0, close: 1012 },
    })
  })

  it('takes a token as an argument, or from a file', () => {
    const argument = parse('explain', '--token', 'x', '--event', 'foo').line
    expect(argument).to.deep.include({
      options: { token: { from: 'argument', token: 'x' }, event: 'foo', last: 10 },
    })
    expect(parse('explain', '--token-file', '-').line).to.deep.include({
      options: { token: { from: 'file', file: '-' }, event: null, last: 10 },
    })
  })

  for (const [argv, what] of [
    [[], 'which command?'],
    [['nonsense'], "unknown command 'nonsense'"],
    [['statsu'], 'status'],
    [['status', 'extra'], 'too many arguments'],
    [['status', '--nonsense'], '--nonsense'],
    [['status', '-c'], 'argument missing'],
    [['sessions', '--limit', '0'], 'from 1 to'],
    [['sessions', '--limit', '1e3'], 'whole number'],
    [['sessions', '--close', '1000', '--all'], 'one of 1001'],
    [['sessions', '--close', '1012'], '--all for every session'],
    [['sessions', '--close', '1012', '--user', 'u', '--limit', '1'], '--limit is for lists'],
    [['sessions', '--close', '1012', '--all', '--offset', '0'], '--offset is for lists'],
    [['status', '--socket', ''], 'the path of a file'],
    [['explain'], '--token-file'],
    [['explain', '--token', 'x', '--token-file', 'y'], 'one of'],
  ] as const)
    it(`refuses ${JSON.stringify(argv)} in one line with status 2`, () => {
      const { status, err, line } = parse(...argv)
      expect([status, line]).to.deep.equal([2, null])
      expect(err).to.match(/^wazo-websocketd-ctl: [^\n]*\(see wazo-websocketd-ctl --help\)\n$/)
      expect(err).to.include(what)
    })

  for (const command of ['doctor', 'status', 'upgrade', 'sessions', 'explain'])
    it(`helps with ${command}`, () => {
      const { status, out } = parse(command, '--help')
      expect(status).to.equal(0)
      expect(out).to.include(`Usage: wazo-websocketd-ctl ${command}`).and.include('--json')
    })
})

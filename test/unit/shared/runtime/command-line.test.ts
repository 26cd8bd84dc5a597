import {
  optionsOrExit,
  readCommandLine,
  WrongArgument,
  type CommandLine,
} from '@wazo-websocketd/shared/runtime/command-line'
import { expect } from 'chai'

interface Greeting {
  readonly name: string
}

function read(...argv: string[]): CommandLine<Greeting> {
  return readCommandLine(
    {
      program: 'greet',
      describe: (command) => void command.option('--name <NAME>', 'whom').option('--list', 'all names'),
      read: (command) => {
        const { name, list } = command.opts<{ name?: string; list?: true }>()
        if (list === true) return { text: 'Ada\n' }
        if (name === undefined) throw new WrongArgument('--name is missing')
        if (name === 'bug') throw new TypeError('a bug')
        return { options: { name } }
      },
    },
    argv,
  )
}

function end(line: CommandLine<Greeting>): readonly [out: string, err: string, status: number] {
  let out = ''
  let err = ''
  let ended = NaN
  const exit = (status: number): never => {
    ended = status
    throw new Error('ended')
  }
  const terminal = {
    out: (text: string) => void (out += text),
    err: (text: string) => void (err += text),
    exit,
  }
  expect(() => optionsOrExit('greet', line, terminal)).to.throw('ended')
  return [out, err, ended]
}

describe('A command line', () => {
  it('comes to options', () => {
    expect(optionsOrExit('greet', read('--name', 'Ada'))).to.deep.equal({ name: 'Ada' })
  })

  it('comes to a text, which ends the program with status 0', () => {
    expect(end(read('--list'))).to.deep.equal(['Ada\n', '', 0])
    const [help, none, status] = end(read('--help'))
    expect(help).to.match(/^Usage: greet [^]*--name <NAME>[^]*--version/)
    expect([none, status]).to.deep.equal(['', 0])
    expect(read('--version'))
      .to.have.property('text')
      .that.matches(/^\d+\./)
  })

  for (const [argv, what] of [
    [[], '--name is missing'],
    [['--name'], "option '--name <NAME>' argument missing"],
    [['--nam', 'x'], "unknown option '--nam' (Did you mean --name?)"],
    [['x'], 'too many arguments'],
  ] as const)
    it(`tells in one line what is wrong with ${JSON.stringify(argv)}, with status 2`, () => {
      const [out, err, status] = end(read(...argv))
      expect([out, status]).to.deep.equal(['', 2])
      expect(err).to.match(/^greet: [^\n]*\(see greet --help\)\n$/)
      expect(err).to.contain(what)
    })

  it('does not take a bug for a wrong argument', () => {
    expect(() => read('--name', 'bug')).to.throw(TypeError)
  })
})

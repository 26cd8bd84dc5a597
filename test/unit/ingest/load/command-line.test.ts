import { readPublishCommandLine } from '@wazo-websocketd/ingest/load/command-line'
import { expect } from 'chai'

function optionsOf(...args: string[]) {
  const line = readPublishCommandLine(args)
  if (!('options' in line)) throw new Error(JSON.stringify(line))
  return line.options
}

describe("The publisher's command line", () => {
  it('needs only events', () => {
    expect(optionsOf('call_created', 'call_ended')).to.deep.equal({
      names: ['call_created', 'call_ended'],
      ...{ file: null, tenant: null, user: null, origin: null, acl: undefined },
      ...{ rate: 1, lengthMs: Infinity, count: null, amqpUrl: null, configFile: null },
    })
  })

  it('has the rest', () => {
    const whose = ['--tenant', 't', '--user', 'u', '--acl', 'null', '--origin', 'o']
    const pace = ['--rate', '0.5', '--for', '10', '--count', '3']
    expect(optionsOf('--file', '-', ...whose, ...pace, '--amqp-url', 'amqp://u:p@h/v')).to.deep.equal({
      names: [],
      ...{ file: '-', tenant: 't', user: 'u', origin: 'o', acl: null },
      ...{ rate: 0.5, lengthMs: 10_000, count: 3, amqpUrl: new URL('amqp://u:p@h/v'), configFile: null },
    })
  })

  for (const [args, message] of [
    [[], /^name events, or give some with --file/],
    [['call_created', '--file', 'f'], /^name events, or give some with --file/],
    [['call_creatd'], /^no recorded event is named call_creatd: see --list$/],
    [['call_created', '--rate', '0'], /^--rate needs a number above 0/],
    [['call_created', '--rate', ''], /^--rate needs/],
    [['call_created', '--for', 'x'], /^--for needs/],
    [['call_created', '--count', '1.5'], /^--count needs a whole number$/],
    [['call_created', '--amqp-url', 'http://u:secret@h'], /^--amqp-url needs an address/],
    [['call_created', '--amqp-url', 'amqp://u:secret%zz@h'], /^--amqp-url: a % in it/],
    [['call_created', '--amqp-url', 'amqp://h/%'], /^--amqp-url: a % in it/],
    [['call_created', '--amqp-url', 'amqp://h', '-c', 'f'], /cannot be used with/],
    [['--user'], /argument missing/],
  ] as const)
    it(`refuses in one line, without a secret: ${args.join(' ')}`, () => {
      const line = readPublishCommandLine(args)
      expect(line).to.have.property('wrong').that.matches(message)
      expect(JSON.stringify(line)).not.to.match(/\\n|secret/)
    })

  it('lists the recorded events, and explains itself', () => {
    expect(readPublishCommandLine(['--list']))
      .to.have.property('text')
      .that.matches(/^call_created\ncall_answered\n/)
    expect(readPublishCommandLine(['--help']))
      .to.have.property('text')
      .that.contains('Exit status')
  })
})

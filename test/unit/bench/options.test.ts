import { expect } from 'chai'
import { readOptions } from '../../bench/options.js'
import { SCENARIOS } from '../../bench/scenarios/names.js'
import { UsageError } from '../../support/command-line.js'

describe('the options of the bench', () => {
  it('are all scenarios in full unless told otherwise', () => {
    expect(readOptions([])).to.deep.equal({
      help: false,
      quick: false,
      only: SCENARIOS,
      out: 'docs/benchmarks',
    })
  })

  it('keep a quick report apart', () => {
    expect(readOptions(['--quick']).out).to.equal('docs/benchmarks/quick')
    expect(readOptions(['--quick', '--out', 'x']).out).to.equal('x')
  })

  it('take some scenarios, in their order', () => {
    expect(readOptions(['--only', 'storm,deliveries']).only).to.deep.equal(['deliveries', 'storm'])
  })

  for (const [args, message] of [
    [['--slow'], /Unknown option '--slow'/],
    [['--only', 'strom'], /knows no "strom"/],
    [['--only', ''], /knows no ""/],
    [['--only'], /--only/],
    [['--out', ''], /--out needs a directory/],
    [['extra'], /extra/],
  ] as const)
    it(`refuse ${args.join(' ') || 'nothing'} in one line`, () => {
      expect(() => readOptions(args))
        .to.throw(UsageError, message)
        .with.property('message')
        .that.not.includes('\n')
    })
})

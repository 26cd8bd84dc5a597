import { spawn } from 'node:child_process'
import { expect } from 'chai'
import { ACL_SETS, distinctDecisions } from '../../bench/acl-sets.js'
import { cpuUsOf, residentBytesOf, ticksOf } from '../../bench/measure/cpu.js'
import { turnOf } from '../../bench/plan.js'
import { sharesIn } from '../../bench/scenarios/expiry.js'

describe('what the bench reads', () => {
  it('is user and system time, whatever the program is called', () => {
    const rest = 'S 1 1 1 0 -1 4194304 124 0 0 0 70 30 5 5 20 0 1 0 2626118'
    expect(ticksOf(`42 (node) ${rest}`)).to.equal(100)
    expect(ticksOf(`42 (a) b (c) ${rest}`)).to.equal(100)
  })

  it('is the CPU that a process has really used', () => {
    const before = cpuUsOf([process.pid])
    const from = process.cpuUsage()
    while (process.cpuUsage(from).user < 100_000);
    expect(cpuUsOf([process.pid]) - before).to.be.within(70_000, 2_000_000)
  })

  it('is the memory of a process', () => {
    expect(residentBytesOf([process.pid])).to.be.within(20e6, 4e9)
  })

  it('fails for a process that has ended, rather than count nothing', async () => {
    const child = spawn('true')
    await new Promise((resolve) => child.once('close', resolve))
    expect(() => cpuUsOf([child.pid!])).to.throw()
  })

  it('is what bench:expiry prints', () => {
    const output = `our module's throughput by wallMs: 0.931 of "addBulk, one call"
our module's throughput by cpuMs: 1.020 of "addBulk, one call"`
    expect(sharesIn(output)).to.deep.equal({
      'throughput vs addBulk, one call': 0.931,
      'CPU vs addBulk, one call': 1.02,
    })
    expect(sharesIn('Error: the job of 1 is that of another token')).to.deep.equal({})
  })
})

describe('what the bench plans', () => {
  it('lets each come first in its turn', () => {
    expect([-1, 0, 1, 2].map((round) => turnOf(['a', 'b', 'c'], round)[0])).to.deep.equal([
      'c',
      'a',
      'b',
      'c',
    ])
  })

  it('is a decision per worker, class and ACL, and one for each user whom an ACL with `me` concerns', () => {
    expect(ACL_SETS).to.have.length(10)
    expect(distinctDecisions(2, 3, [])).to.equal(60)
    expect(distinctDecisions(2, 3, [0, 1, 2])).to.equal(122)
  })
})

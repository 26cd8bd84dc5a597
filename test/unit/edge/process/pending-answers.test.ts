import { PendingAnswers } from '@wazo-websocketd/edge/process/pending-answers'
import { expect } from 'chai'
import { FakeClock } from '../../../support/fakes/clock.js'

describe('questions to a worker', () => {
  let clock: FakeClock
  let answers: PendingAnswers
  beforeEach(() => {
    clock = new FakeClock()
    answers = new PendingAnswers(clock)
  })

  function begin(msMax = 100) {
    const rows: string[] = []
    const { id, answer } = answers.begin((more) => rows.push(...more), msMax)
    return { id, answer, rows }
  }

  it('get their own answers, in pieces', async () => {
    const [one, two] = [begin(), begin()]
    answers.take(one.id, { rows: ['1'], end: null })
    answers.take(two.id, { rows: ['2'], end: '"two"' })
    answers.take(one.id, { rows: ['3'], end: '"one"' })
    expect(await one.answer).to.equal('"one"')
    expect(await two.answer).to.equal('"two"')
    expect([one.rows, two.rows]).to.deep.equal([['1', '3'], ['2']])
    expect(clock.pending).to.equal(0)
  })

  it('are given up after a silence, not because there is much to say', async () => {
    const { id, answer, rows } = begin(100)
    for (let n = 0; n < 5; n++) {
      clock.advance(90)
      answers.take(id, { rows: [`${n}`], end: null })
    }
    clock.advance(100)
    expect(await answer).to.equal(null)
    answers.take(id, { rows: ['late'], end: '1' })
    expect(rows).to.have.length(5)
  })

  it('are given up with the worker', async () => {
    const { answer } = begin()
    answers.abandon()
    expect(await answer).to.equal(null)
    expect(clock.pending).to.equal(0)
  })
})

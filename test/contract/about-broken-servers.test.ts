import { expect } from 'chai'
import { startAuth } from '../support/auth.mjs'
import { sharedRabbit } from '../support/rabbitmq.mjs'
import { BUGS, type Bug } from '../support/reference-rights.js'
import { startReference } from '../support/reference-server.js'
import { WAZO_UUID } from './support/environment.js'
import { rulesOf, runSuite, type Outcome } from './support/mocha.js'
import type { Rule } from './rules.js'

const SUITE_MS_MAX = 120_000
const MUTANT_MS_MAX = 40_000
/** So that a suite that skips itself does not pass. */
const OUTCOMES_MIN = 400

/** The rule that each deliberate fault breaks. */
const BROKEN: Readonly<Record<Bug, Rule>> = {
  reserialises: 'C3.14',
  'ignores-tenant': 'C4.4',
  'ignores-user': 'C4.5',
  'missing-acl-is-null': 'C4.8',
  'delivers-twice': 'C3.17',
  overtakes: 'C3.21',
  'starts-early': 'C3.16',
  'keeps-early-events': 'C3.15',
  'auth-down-is-4002': 'C2.18',
  'ignores-deny': 'C5.7',
  'body-wins': 'C4.12',
  'false-header-counts': 'C4.13',
  'raw-token': 'C6.2',
  'ignores-deletion': 'C2.5',
  'positions-for-all': 'C7.1',
  'resumes-twice': 'C7.6',
  'resumes-late': 'C7.6',
  'position-gives-rights': 'C7.7',
  'start-forgets-the-way': 'C7.11',
}

/** Runs the suite against a reference server of its own, the given rules only. */
async function judge(bug: Bug | undefined, rules: readonly Rule[]): Promise<Outcome[]> {
  const [rabbit, auth] = await Promise.all([sharedRabbit(), startAuth()])
  const amqpUrl = await rabbit.vhost('reference')
  const server = await startReference({
    amqpUrl,
    authUrl: auth.url,
    uuid: WAZO_UUID,
    ...(bug ? { bug } : {}),
  })
  try {
    const pattern = rules.map((rule) => `${rule.replace('.', '\\.')}(?=[ :])`).join('|')
    return await runSuite(rules.length > 0 ? ['--bail', '--grep', pattern] : [], {
      CONTRACT_WS_URL: server.url,
      CONTRACT_AMQP_URL: amqpUrl,
      CONTRACT_AUTH_URL: auth.url,
      CONTRACT_WAZO_UUID: WAZO_UUID,
      CONTRACT_PATIENCE_MS: bug ? '1500' : '4000',
    })
  } finally {
    await server.stop()
    await auth.stop()
  }
}

describe('the contract suite judges servers', () => {
  // Mostly waiting, so it runs beside the broken ones.
  let reference: Promise<Outcome[]>
  before(() => {
    reference = judge(undefined, [])
    reference.catch(() => undefined) // reported by the test that waits for it
  })

  for (const bug of BUGS) {
    it(`one that "${bug}" fails ${BROKEN[bug]}`, async function () {
      this.timeout(MUTANT_MS_MAX)
      const failed = (await judge(bug, [BROKEN[bug]])).filter((outcome) => outcome.failed)
      expect(failed.map(({ title }) => rulesOf(title).includes(BROKEN[bug]))).to.deep.equal([true])
    })
  }

  it('a second, simple implementation of the contract passes', async function () {
    this.timeout(SUITE_MS_MAX)
    const outcomes = await reference
    const failed = outcomes.filter((outcome) => outcome.failed)
    expect(failed.map(({ title, message }) => `${title}: ${message}`).join('\n')).to.equal('')
    expect(outcomes.length).to.be.at.least(OUTCOMES_MIN)
  })
})

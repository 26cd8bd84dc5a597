/** Mocha's spec reporter, which also leaves its counts and failures where test/support/jobs.mjs reads them. */
const { writeFileSync } = require('node:fs')
const process = require('node:process')
const { reporters } = require('mocha')

module.exports = class Reporter extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options)
    const complaints = []
    runner.on('fail', (test, { message }) => complaints.push(`${test.fullTitle()}: ${firstLine(message)}`))
    runner.once('end', () => {
      const { passes, failures, pending } = this.stats
      const file = process.env.WAZO_TEST_COUNTS
      if (file !== undefined)
        writeFileSync(
          file,
          JSON.stringify({ passed: passes, failed: failures, skipped: pending, complaints }),
        )
    })
  }
}

function firstLine(message) {
  return String(message).split('\n', 1)[0].slice(0, 300)
}

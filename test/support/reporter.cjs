/** Mocha's spec reporter, which also leaves the counts where test/support/run.mjs reads them. */
const { writeFileSync } = require('node:fs')
const process = require('node:process')
const { reporters } = require('mocha')

module.exports = class Reporter extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options)
    runner.once('end', () => {
      const { passes, failures, pending } = this.stats
      const file = process.env.WAZO_TEST_COUNTS
      if (file !== undefined)
        writeFileSync(file, JSON.stringify({ passed: passes, failed: failures, skipped: pending }))
    })
  }
}

import { createLogger, openLog, type LoggerOptions } from '@wazo-websocketd/shared/runtime/logger'
import { StartupError } from '@wazo-websocketd/shared/runtime/startup-error'
import { expect } from 'chai'
import { appendFileSync, mkdtempSync, readFileSync, renameSync, rmSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FakeClock } from '../../../support/fakes/clock.js'

function logged(options: Partial<LoggerOptions>, write: (logger: ReturnType<typeof createLogger>) => void) {
  const lines: string[] = []
  const destination = { write: (line: string) => void lines.push(line) }
  write(createLogger({ program: 'wazo-websocketd-edge', level: 'info', destination, ...options }))
  return lines
}

describe('the logger', () => {
  it('writes JSON with ISO time, program, pid and the level names of the configuration', () => {
    const [line = ''] = logged({ worker: 2 }, (log) => log.warn({ sessions: 3 }, 'hello'))
    const entry = JSON.parse(line) as Record<string, unknown>
    expect(entry).to.deep.include({
      level: 'warning',
      program: 'wazo-websocketd-edge',
      pid: process.pid,
      worker: 2,
      sessions: 3,
      msg: 'hello',
    })
    expect(entry.time).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  })

  it('calls the highest level critical', () => {
    expect(logged({}, (log) => log.fatal('x'))[0]).to.include('"level":"critical"')
  })

  it('leaves out what is below its level', () => {
    expect(logged({ level: 'error' }, (log) => log.warn('x'))).to.deep.equal([])
    expect(logged({ level: 'debug' }, (log) => log.debug('x'))).to.have.length(1)
  })

  it('never writes a token, in fields, urls, messages or errors', () => {
    const token = 'c4n4ry-t0k3n'
    const lines = logged({ level: 'debug' }, (log) => {
      log.info({ token }, 'field')
      log.info({ request: { url: `/?token=${token}` } }, 'url')
      log.info(`connection to /api/websocketd/?version=2&token=${token}`)
      log.error({ err: new Error(`GET http://auth/0.1/token/${token}?scope=websocketd`) }, 'error')
      log.child({ headers: { 'x-auth-token': token } }).info('child')
    })
    expect(lines).to.have.length(5)
    expect(lines.join('')).to.not.include(token)
  })

  it('appends to its file, also after the file was truncated under it', () => {
    const directory = mkdtempSync(join(tmpdir(), 'websocketd-log-'))
    try {
      const file = join(directory, 'a.log')
      appendFileSync(file, 'before\n')
      const { logger: log } = openLog({ program: 'p', level: 'info', logFile: file })
      log.info('one')
      expect(readFileSync(file, 'utf8')).to.match(/^before\n\{.*"one"\}\n$/)
      truncateSync(file) // logrotate's copytruncate
      log.info('two')
      expect(readFileSync(file, 'utf8')).to.match(/^\{.*"two"\}\n$/)
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  it('goes on in a new file after it was renamed, and in the old one where it cannot', () => {
    const directory = mkdtempSync(join(tmpdir(), 'websocketd-log-'))
    try {
      const [file, old] = [join(directory, 'a.log'), join(directory, 'a.log.1')]
      const log = openLog({ program: 'p', level: 'info', logFile: file })
      log.logger.info('one')
      renameSync(file, old)
      log.reopen()
      log.logger.info('two')
      expect(readFileSync(old, 'utf8')).to.match(/"one"\}\n$/)
      expect(readFileSync(file, 'utf8')).to.match(/"log_file opened anew"\}\n.*"two"\}\n$/)
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  it('counts the lines that could not be written', () => {
    const clock = new FakeClock()
    const log = openLog({ program: 'p', level: 'error', logFile: '/dev/full', worker: 1, clock })
    log.logger.error('one')
    log.logger.error('two')
    log.logger.info('below the level')
    expect(log.droppedLines()).to.equal(2)
  })

  it('names the key log_file when the file cannot be opened', () => {
    expect(() => openLog({ program: 'p', level: 'info', logFile: '/nowhere/a.log' })).to.throw(
      StartupError,
      'log_file: cannot open /nowhere/a.log: no such file',
    )
  })
})

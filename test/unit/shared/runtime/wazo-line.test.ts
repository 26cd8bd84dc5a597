import { createLogger } from '@wazo-websocketd/shared/runtime/logger'
import { wazoLine } from '@wazo-websocketd/shared/runtime/wazo-line'
import { expect } from 'chai'

const BASE = { level: 'info', time: '2026-11-30T12:00:00.123Z', program: 'wazo-websocketd-edge', pid: 42 }
const lineOf = (entry: object) => wazoLine(`${JSON.stringify({ ...BASE, ...entry })}\n`)

describe('a line in the form of Wazo', () => {
  const zone = process.env['TZ']
  before(() => (process.env['TZ'] = 'America/Montreal'))
  after(() => {
    if (zone === undefined) delete process.env['TZ']
    else process.env['TZ'] = zone
  })

  it('has local time, pid, level, program and message', () => {
    expect(lineOf({ msg: 'all workers are replaced' })).to.equal(
      '2026-11-30 07:00:00,123 [42] (INFO) (wazo-websocketd-edge): all workers are replaced\n',
    )
  })

  it('has the fields behind the message, and is one line whatever they hold', () => {
    const fields = {
      level: 'warning',
      worker: 1,
      code: 1011,
      reason: 'bus "lost"\nx',
      refused: { version: 2 },
      user: null,
    }
    expect(lineOf({ ...fields, msg: 'a "b"\nc' })).to.equal(
      '2026-11-30 07:00:00,123 [42] (WARNING) (wazo-websocketd-edge): a "b"\\nc worker=1 code=1011 ' +
        'reason="bus \\"lost\\"\\nx" refused={"version":2} user=null\n',
    )
    expect(lineOf({ why: 'no-answer' })).to.match(/: {2}why=no-answer\n$/)
  })

  it('is what the logger writes with this format, without secrets', () => {
    const lines: string[] = []
    const destination = { write: (line: string) => void lines.push(line) }
    const log = createLogger({ program: 'p', level: 'info', format: 'wazo', destination })
    log.fatal({ token: 'c4n4ry', url: '/?token=c4n4ry' }, 'GET /token/c4n4ry')
    expect(lines).to.have.length(1)
    expect(lines[0]).to.match(
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \[\d+\] \(CRITICAL\) \(p\): GET \/token\/\*+ token=\*+ url=\S+\n$/,
    )
    expect(lines[0]).to.not.include('c4n4ry')
  })
})

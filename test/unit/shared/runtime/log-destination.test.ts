import { LogDestination, type LogSystem } from '@wazo-websocketd/shared/runtime/log-destination'
import { StartupError } from '@wazo-websocketd/shared/runtime/startup-error'
import { expect } from 'chai'
import { FakeClock } from '../../../support/fakes/clock.js'

/** A disk, or a pipe, with room for some bytes. */
class FakeSystem implements LogSystem {
  room = Infinity
  openError = ''
  writeError = 'ENOSPC'
  slept = 0
  opened = 0
  closed: number[] = []
  text = new Map<number, string>()

  open(): number {
    if (this.openError !== '') throw failure(this.openError)
    const fd = 10 + this.opened++
    this.text.set(fd, '')
    return fd
  }
  close(fd: number): void {
    this.closed.push(fd)
  }
  write(fd: number, bytes: Uint8Array): number {
    const taken = Math.min(bytes.length, this.room)
    if (taken === 0) throw failure(this.writeError)
    this.room -= taken
    this.text.set(fd, (this.text.get(fd) ?? '') + Buffer.from(bytes.subarray(0, taken)).toString())
    return taken
  }
  openOutput(): number {
    return 1
  }
  sleep(ms: number): void {
    this.slept += ms
  }
}

function failure(code: string): Error {
  return Object.assign(new Error(code), { code })
}

interface Given {
  file?: string | null
  mustOpen?: boolean
  openError?: string
}

function setUp({ file = '/log', mustOpen = true, openError = '' }: Given = {}) {
  const on = new FakeSystem()
  on.openError = openError
  const clock = new FakeClock()
  const droppedNotice = (lines: number) => `dropped ${lines}\n`
  const create = () => new LogDestination({ file, mustOpen, clock, droppedNotice }, on)
  return { on, clock, create }
}

describe('where the lines of a log go', () => {
  it('without room they are dropped and counted; a line says so as soon as there is room', () => {
    const { on, clock, create } = setUp()
    const log = create()
    log.write('a\n')
    on.room = 0
    log.write('b\n')
    log.write('c\n')
    clock.advance(5000)
    expect(log.droppedLines).to.equal(2)
    on.room = Infinity
    clock.advance(1000)
    log.write('d\n')
    expect(on.text.get(10)).to.equal('a\ndropped 2\nd\n')
    expect(log.droppedLines).to.equal(2)
    expect(clock.pending).to.equal(0)
  })

  it('the notice comes before the next line, too', () => {
    const { on, create } = setUp()
    const log = create()
    on.room = 0
    log.write('a\n')
    on.room = Infinity
    log.write('b\n')
    expect(on.text.get(10)).to.equal('dropped 1\nb\n')
  })

  it('a line that is written in part is ended before the next one', () => {
    const { on, create } = setUp()
    const log = create()
    on.room = 3
    log.write('abcdef\n')
    on.room = 1 // for the end of the line only
    log.write('gh\n')
    on.room = Infinity
    log.write('ij\n')
    expect(on.text.get(10)).to.equal('abc\ndropped 2\nij\n')
    expect(log.droppedLines).to.equal(2)
  })

  it('a slow reader of standard output is waited for once, not for every line', () => {
    const { on, create } = setUp({ file: null })
    const log = create()
    on.room = 0
    on.writeError = 'EAGAIN'
    log.write('a\n')
    const { slept } = on
    expect(slept).to.be.within(10, 50)
    log.write('b\n')
    expect(on.slept).to.equal(slept)
    on.room = Infinity
    log.write('c\n')
    expect(on.text.get(1)).to.equal('dropped 2\nc\n')
  })

  it('a reader that is gone is not waited for', () => {
    const { on, create } = setUp({ file: null })
    const log = create()
    on.room = 0
    on.writeError = 'EPIPE'
    log.write('a\n')
    expect([on.slept, log.droppedLines]).to.deep.equal([0, 1])
  })

  it('a file that cannot be opened is an error at the start', () => {
    for (const code of ['EACCES', 'ENOENT', 'EISDIR', 'EROFS'])
      expect(setUp({ openError: code }).create)
        .to.throw(StartupError, 'log_file: cannot open /log: ')
        .with.property('status', 78)
  })

  it('but not for lack of room, or where the program runs already: it is opened later', () => {
    for (const [openError, mustOpen] of [
      ['ENOSPC', true],
      ['EMFILE', true],
      ['ENOENT', false],
    ] as const) {
      const { on, clock, create } = setUp({ openError, mustOpen })
      const log = create()
      log.write('a\n')
      clock.advance(2000)
      expect(log.droppedLines).to.equal(1)
      on.openError = ''
      clock.advance(1000)
      log.write('b\n')
      expect(on.text.get(10)).to.equal('dropped 1\nb\n')
    }
  })

  it('a renamed file is opened anew and the old one closed', () => {
    const { on, create } = setUp()
    const log = create()
    log.write('a\n')
    expect(log.reopen()).to.equal(null)
    log.write('b\n')
    expect([on.text.get(10), on.text.get(11)]).to.deep.equal(['a\n', 'b\n'])
    expect(on.closed).to.deep.equal([10])
  })

  it('where that fails the old one is written to until it succeeds', () => {
    const { on, clock, create } = setUp()
    const log = create()
    on.openError = 'ENOENT'
    expect(log.reopen()).to.equal('no such file')
    log.write('a\n')
    clock.advance(3000)
    expect([on.text.get(10), on.closed]).to.deep.equal(['a\n', []])
    on.openError = ''
    clock.advance(1000)
    log.write('b\n')
    expect(on.text.get(11)).to.equal('b\n')
    expect(log.droppedLines).to.equal(0)
  })

  it('standard output has nothing to open', () => {
    const { on, create } = setUp({ file: null })
    expect(create().reopen()).to.equal(null)
    expect([on.opened, on.closed]).to.deep.equal([0, []])
  })
})

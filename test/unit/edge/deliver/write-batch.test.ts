import { expect } from 'chai'
import { FrameBytes } from '@wazo-websocketd/edge/deliver/frame'
import { Run } from '@wazo-websocketd/edge/deliver/write-batch'

const frame = (size: number, fill = 'x') => new Uint8Array(Buffer.alloc(size, fill))
const bytesOf = (run: Run) => Buffer.concat(run.pieces(new FrameBytes()))

describe('Run', () => {
  it('has nothing to write when it is empty', () => {
    expect(Run.empty().pieces(new FrameBytes())).to.deep.equal([])
  })

  it('writes a single frame without copying it', () => {
    const only = frame(10)
    expect(Run.empty().shared(only).pieces(new FrameBytes())[0]).to.equal(only)
  })

  it('is the same run for everybody who gets the same frames, and is joined once', () => {
    const empty = Run.empty()
    const [a, b] = [frame(1, 'a'), frame(1, 'b')]
    const one = empty.shared(a).shared(b)
    const other = empty.shared(a).shared(b)
    expect(one).to.equal(other)
    expect(one.pieces(new FrameBytes())).to.equal(other.pieces(new FrameBytes()))
    expect(one.pieces(new FrameBytes())).to.have.length(1)
    expect(bytesOf(one).toString()).to.equal('ab')
  })

  it('keeps runs apart that differ', () => {
    const empty = Run.empty()
    const [a, b, c] = [frame(1, 'a'), frame(1, 'b'), frame(1, 'c')]
    const ab = empty.shared(a).shared(b)
    const ac = empty.shared(a).shared(c)
    const cb = empty.shared(c).shared(b)
    expect([ab, ac, cb].map((run) => bytesOf(run).toString())).to.deep.equal(['ab', 'ac', 'cb'])
  })

  it('does not share what is for one receiver only', () => {
    const empty = Run.empty()
    const a = frame(1, 'a')
    const own = empty.own(frame(1, 'o')).shared(a)
    expect(bytesOf(own).toString()).to.equal('oa')
    expect(bytesOf(empty.shared(a)).toString()).to.equal('a')
  })

  it('copies small frames together and leaves large ones as they are, in order', () => {
    const large = frame(100_000, 'L')
    const run = Run.empty().shared(frame(10, 'a')).shared(frame(10, 'b')).shared(large).shared(frame(10, 'c'))
    expect(run.pieces(new FrameBytes()).map(({ length }) => length)).to.deep.equal([20, 100_000, 10])
    expect(run.pieces(new FrameBytes())[1]).to.equal(large)
  })

  it('bounds what is copied into one piece', () => {
    let run = Run.empty()
    for (let i = 0; i < 100; i++) run = run.shared(frame(10_000))
    expect(Math.max(...run.pieces(new FrameBytes()).map(({ length }) => length))).to.be.at.most(64 * 1024)
    expect(bytesOf(run)).to.have.length(1_000_000)
  })
})

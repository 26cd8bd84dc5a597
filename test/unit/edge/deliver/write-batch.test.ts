import { expect } from 'chai'
import { FrameBytes } from '@wazo-websocketd/edge/deliver/frame'
import { WriteBatch } from '@wazo-websocketd/edge/deliver/write-batch'

const frame = (size: number, fill = 'x') => new Uint8Array(Buffer.alloc(size, fill))
const bytesOf = (run: WriteBatch) => Buffer.concat(run.chunks(new FrameBytes()))

describe('WriteBatch', () => {
  it('has nothing to write when it is empty', () => {
    expect(WriteBatch.empty().chunks(new FrameBytes())).to.deep.equal([])
  })

  it('writes a single frame without copying it', () => {
    const only = frame(10)
    expect(WriteBatch.empty().withShared(only).chunks(new FrameBytes())[0]).to.equal(only)
  })

  it('is the same run for everybody who gets the same frames, and is joined once', () => {
    const empty = WriteBatch.empty()
    const [a, b] = [frame(1, 'a'), frame(1, 'b')]
    const one = empty.withShared(a).withShared(b)
    const other = empty.withShared(a).withShared(b)
    expect(one).to.equal(other)
    expect(one.chunks(new FrameBytes())).to.equal(other.chunks(new FrameBytes()))
    expect(one.chunks(new FrameBytes())).to.have.length(1)
    expect(bytesOf(one).toString()).to.equal('ab')
  })

  it('keeps runs apart that differ', () => {
    const empty = WriteBatch.empty()
    const [a, b, c] = [frame(1, 'a'), frame(1, 'b'), frame(1, 'c')]
    const ab = empty.withShared(a).withShared(b)
    const ac = empty.withShared(a).withShared(c)
    const cb = empty.withShared(c).withShared(b)
    expect([ab, ac, cb].map((run) => bytesOf(run).toString())).to.deep.equal(['ab', 'ac', 'cb'])
  })

  it('does not share what is for one receiver only', () => {
    const empty = WriteBatch.empty()
    const a = frame(1, 'a')
    const own = empty.withOwn(frame(1, 'o')).withShared(a)
    expect(bytesOf(own).toString()).to.equal('oa')
    expect(bytesOf(empty.withShared(a)).toString()).to.equal('a')
  })

  it('copies small frames together and leaves large ones as they are, in order', () => {
    const large = frame(100_000, 'L')
    const run = WriteBatch.empty()
      .withShared(frame(10, 'a'))
      .withShared(frame(10, 'b'))
      .withShared(large)
      .withShared(frame(10, 'c'))
    expect(run.chunks(new FrameBytes()).map(({ length }) => length)).to.deep.equal([20, 100_000, 10])
    expect(run.chunks(new FrameBytes())[1]).to.equal(large)
  })

  it('bounds what is copied into one piece', () => {
    let run = WriteBatch.empty()
    for (let i = 0; i < 100; i++) run = run.withShared(frame(10_000))
    expect(Math.max(...run.chunks(new FrameBytes()).map(({ length }) => length))).to.be.at.most(64 * 1024)
    expect(bytesOf(run)).to.have.length(1_000_000)
  })
})

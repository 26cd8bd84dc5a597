import { LogUnavailableError } from '@wazo-websocketd/edge/bus/log'
import type { Page } from '@wazo-websocketd/edge/bus/page'
import { askReach } from '@wazo-websocketd/edge/bus/reach'
import type { Epoch, Offset, Position } from '@wazo-websocketd/shared/domain/position'
import { expect } from 'chai'
import { batch, EPOCH, OTHER_EPOCH } from '../../../support/fakes/batches.js'
import { FakeClock, settle } from '../../../support/fakes/clock.js'

/** The log holds the batches 0 to 10, 10 to 20 and 20 to 30, and this worker has come to 30. */
class Scene {
  readonly clock = new FakeClock()
  cursor: Position | null = { epoch: EPOCH, offset: 30 }
  epoch: Epoch | null = EPOCH
  head = 30
  ends: Offset[] = [10, 20, 30]
  reads = 0
  /** Reads that fail from now on. */
  failures = 0

  ask(offset: Offset, epoch = EPOCH): { answer: string | null } {
    const asked: { answer: string | null } = { answer: null }
    void askReach({
      position: { epoch, offset },
      cursor: () => this.cursor,
      page: () => this.page(offset),
      clock: this.clock,
    }).then((answer) => (asked.answer = answer))
    return asked
  }

  async answer(offset: Offset, epoch = EPOCH): Promise<string | null> {
    const asked = this.ask(offset, epoch)
    await settle()
    return asked.answer
  }

  private page(after: Offset): Promise<Page> {
    this.reads++
    if (this.failures-- > 0) return Promise.reject(new LogUnavailableError('told to'))
    if (this.epoch === null) return Promise.resolve({ meta: null, entries: [] })
    const entries = this.ends
      .filter((last) => last > after)
      .map((last) => batch(last - 10, last, [last], EPOCH))
    return Promise.resolve({ meta: { epoch: this.epoch, head: this.head }, entries })
  }
}

describe('how far back a position can be', () => {
  for (const offset of [0, 10, 17, 29])
    it(`the log holds all above ${offset}`, async () => {
      expect(await new Scene().answer(offset)).to.equal('reached')
    })

  it('nothing is read where nothing lies above it', async () => {
    const scene = new Scene()
    expect([await scene.answer(30), scene.reads]).to.deep.equal(['reached', 0])
  })

  it('it is too old when the log begins above it, or is empty', async () => {
    const scene = new Scene()
    scene.ends = [20, 30]
    for (const [offset, answer] of [
      [10, 'reached'],
      [9, 'too old'],
      [0, 'too old'],
    ] as const)
      expect(await scene.answer(offset)).to.equal(answer)
    scene.ends = []
    expect(await scene.answer(29)).to.equal('too old')
  })

  it('it is of another epoch than the one in force', async () => {
    const scene = new Scene()
    expect([await scene.answer(10, OTHER_EPOCH), scene.reads]).to.deep.equal(['other epoch', 0])
    scene.epoch = OTHER_EPOCH // of which this worker has not heard yet
    expect(await scene.answer(10)).to.equal('other epoch')
  })

  it('it is unknown above all that has been published, and not where only this worker is behind', async () => {
    const scene = new Scene()
    Object.assign(scene, { head: 40, ends: [10, 20, 30, 40] })
    expect([await scene.answer(35), await scene.answer(40), await scene.answer(41)]).to.deep.equal([
      'reached',
      'reached',
      'unknown',
    ])
  })

  it('it is asked for again while Redis does not answer, or has come back empty or older', async () => {
    for (const sick of [{ failures: 1 }, { epoch: null }, { head: 5, ends: [] }]) {
      const scene = new Scene()
      Object.assign(scene, sick)
      const asked = scene.ask(10)
      await settle()
      expect(asked.answer, JSON.stringify(sick)).to.equal(null)
      Object.assign(scene, { failures: 0, epoch: EPOCH, head: 30, ends: [10, 20, 30] })
      await scene.clock.pass(200)
      expect(asked.answer, JSON.stringify(sick)).to.equal('reached')
    }
  })

  it('it is no longer asked for when the worker has lost the sequence', async () => {
    const scene = new Scene()
    scene.failures = 1_000
    const asked = scene.ask(10)
    await scene.clock.pass(1_000)
    scene.cursor = null
    await scene.clock.pass(200)
    expect([asked.answer, scene.clock.pending]).to.deep.equal(['other epoch', 0])
  })
})

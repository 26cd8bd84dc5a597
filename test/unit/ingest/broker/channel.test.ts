import { EventEmitter } from 'node:events'
import { expect } from 'chai'
import { closeQuietly, CLOSE_MS_MAX } from '@wazo-websocketd/ingest/broker/channel'
import { FakeClock } from '../../../support/fakes/clock.js'

/** A channel whose `close()` settles when the test calls `settle`. */
class Fake extends EventEmitter {
  settle: (error?: Error) => void = () => undefined

  close(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.settle = (error) => (error === undefined ? resolve() : reject(error))
    })
  }
}

function closing() {
  const clock = new FakeClock()
  const fake = new Fake()
  const outcome = { done: false }
  void closeQuietly(fake, clock).then(() => (outcome.done = true))
  const settled = async (): Promise<boolean> => {
    await new Promise((resolve) => setImmediate(resolve))
    if (outcome.done) {
      expect(clock.pending, 'timers left behind').to.equal(0)
      expect(fake.listenerCount('close'), 'listeners left behind').to.equal(0)
    }
    return outcome.done
  }
  return { clock, fake, settled }
}

describe('closeQuietly', () => {
  it('waits for the answer of the broker', async () => {
    const { fake, settled } = closing()
    expect(await settled()).to.equal(false)
    fake.settle()
    expect(await settled()).to.equal(true)
  })

  it('does not reject when there is nothing left to close', async () => {
    const { fake, settled } = closing()
    fake.settle(new Error('Channel closed'))
    expect(await settled()).to.equal(true)
  })

  it('ends with the connection, from which no answer can come any more', async () => {
    const { fake, settled } = closing()
    fake.emit('close')
    expect(await settled()).to.equal(true)
  })

  it('gives up on a broker that has frozen', async () => {
    const { clock, settled } = closing()
    clock.advance(CLOSE_MS_MAX - 1)
    expect(await settled()).to.equal(false)
    clock.advance(1)
    expect(await settled()).to.equal(true)
  })
})

import { expect } from 'chai'
import { Readiness } from '@wazo-websocketd/edge/process/readiness'
import { FakeClock, settle } from '../../../support/fakes/clock.js'

class Scene {
  readonly clock = new FakeClock()
  readonly reports: (readonly string[])[] = []
  reasons: readonly string[] = ['redis: not connected']
  readonly readiness = new Readiness(
    () => this.reasons,
    (reasons) => this.reports.push(reasons),
  )
  hasListened = false

  wait(isSuccessor: boolean): void {
    void this.readiness.timeToListen(this.clock, isSuccessor).then(() => (this.hasListened = true))
  }
}

describe('Readiness', () => {
  it('reports the reasons, and that the worker does not listen yet', () => {
    const scene = new Scene()
    scene.readiness.update()
    scene.readiness.listens()
    scene.reasons = []
    scene.readiness.update()
    expect(scene.reports).to.deep.equal([
      ['redis: not connected', 'not listening yet'],
      ['redis: not connected'],
      [],
    ])
  })

  for (const isSuccessor of [false, true])
    it(`lets ${isSuccessor ? 'a successor' : 'a worker'} listen when nothing keeps it from serving`, async () => {
      const scene = new Scene()
      scene.wait(isSuccessor)
      await settle()
      expect(scene.hasListened).to.equal(false)
      scene.reasons = []
      scene.readiness.update()
      await settle()
      expect(scene.hasListened).to.equal(true)
      expect(scene.clock.pending).to.equal(0)
    })

  it('lets a worker listen after five seconds all the same, a successor never', async () => {
    for (const isSuccessor of [false, true]) {
      const scene = new Scene()
      scene.wait(isSuccessor)
      await scene.clock.pass(4_999)
      expect(scene.hasListened).to.equal(false)
      await scene.clock.pass(10_000)
      expect(scene.hasListened).to.equal(!isSuccessor)
    }
  })
})

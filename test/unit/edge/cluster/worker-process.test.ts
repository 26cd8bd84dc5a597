import { workerModule } from '@wazo-websocketd/edge/cluster/worker-process'
import { expect } from 'chai'

describe('the module that workers run', () => {
  it('stands next to the caller and has its extension', () => {
    expect(workerModule('file:///a/src/main.ts', 'worker')).to.equal('/a/src/worker.ts')
    expect(workerModule('file:///a/dist/main.js', 'worker')).to.equal('/a/dist/worker.js')
  })
})

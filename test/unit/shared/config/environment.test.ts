import { environmentTree } from '@wazo-websocketd/shared/config/environment'
import { leafAt } from '@wazo-websocketd/shared/config/tree'
import { expect } from 'chai'

describe('the tree of the environment', () => {
  it('nests at a double underscore and keeps single ones', () => {
    const tree = environmentTree({ WAZO_WEBSOCKETD_BUS__HOST: 'rabbit', WAZO_WEBSOCKETD_LOG_LEVEL: 'debug' })
    expect(leafAt(tree, ['bus', 'host'])).to.deep.equal({
      value: 'rabbit',
      source: 'environment WAZO_WEBSOCKETD_BUS__HOST',
      fromText: true,
    })
    expect(leafAt(tree, ['log_level'])?.value).to.equal('debug')
  })

  it('ignores variables of others', () => {
    expect(environmentTree({ PATH: '/bin', WAZO_HOST: 'x', WAZO_WEBSOCKETD_: 'x' }).size).to.equal(0)
  })

  it('takes uuid from XIVO_UUID', () => {
    expect(leafAt(environmentTree({ XIVO_UUID: 'abc' }), ['uuid'])?.source).to.equal('environment XIVO_UUID')
  })

  it('takes an empty XIVO_UUID for a missing one', () => {
    expect(environmentTree({ XIVO_UUID: '' }).size).to.equal(0)
  })

  it('prefers WAZO_WEBSOCKETD_UUID to XIVO_UUID', () => {
    expect(
      leafAt(environmentTree({ XIVO_UUID: 'abc', WAZO_WEBSOCKETD_UUID: 'def' }), ['uuid'])?.value,
    ).to.equal('def')
  })

  it('keeps the deeper of two variables that contradict each other, whatever their order', () => {
    const one = environmentTree({ WAZO_WEBSOCKETD_BUS: 'x', WAZO_WEBSOCKETD_BUS__HOST: 'h' })
    const other = environmentTree({ WAZO_WEBSOCKETD_BUS__HOST: 'h', WAZO_WEBSOCKETD_BUS: 'x' })
    expect(leafAt(one, ['bus', 'host'])?.value).to.equal('h')
    expect(leafAt(other, ['bus', 'host'])?.value).to.equal('h')
  })
})

import { clusterPrograms, countPrograms } from '@wazo-websocketd/edge/ctl/cluster-programs'
import { expect } from 'chai'

function line(id: number, address: string, name: string): string {
  return `id=${id} addr=${address} laddr=127.0.0.1:6379 fd=8 name=${name} age=1 flags=N db=0 cmd=evalsha`
}

const LIST = [
  line(1, '10.0.0.1:4000', 'wazo-websocketd-expiry@1.0.0'),
  line(2, '10.0.0.1:4001', 'wazo-websocketd-expiry@1.0.0'),
  line(3, '10.0.0.1:4002', 'wazo-websocketd-commands@1.0.0'),
  line(4, '[fd00::2]:4000', 'wazo-websocketd-expiry@1.1.0'),
  line(5, '10.0.0.1:4003', 'wazo-websocketd-publisher@1.0.0'),
  line(6, '10.0.0.3:4003', 'wazo-websocketd-publisher'),
  line(7, '10.0.0.3:4003', ''),
  '',
].join('\n')

describe('the programs at Redis', () => {
  it('are counted by host and version, by a connection that each has once', () => {
    expect(countPrograms(LIST)).to.deep.equal([
      { kind: 'edge worker', host: '10.0.0.1', version: '1.0.0', count: 2 },
      { kind: 'edge worker', host: '[fd00::2]', version: '1.1.0', count: 1 },
      { kind: 'ingest', host: '10.0.0.1', version: '1.0.0', count: 1 },
    ])
  })

  it('are in order', async () => {
    const client = { client: () => Promise.resolve(LIST) } as unknown as Parameters<typeof clusterPrograms>[0]
    expect((await clusterPrograms(client)).map(({ kind }) => kind)).to.deep.equal([
      'edge worker',
      'edge worker',
      'ingest',
    ])
  })
})

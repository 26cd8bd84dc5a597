import { expect } from 'chai'
import { BrokerHosts, NoHostError } from '@wazo-websocketd/ingest/broker/hosts'

/** Connects while the hosts of `up` take connections; gives the names in the order in which they were tried. */
async function tried(hosts: BrokerHosts, up: readonly string[]): Promise<readonly string[]> {
  const names: string[] = []
  const attempt = ({ name }: { name: string }): Promise<string> => {
    names.push(name)
    return up.includes(name) ? Promise.resolve(name) : Promise.reject(new Error(`${name} is away`))
  }
  const connected = await hosts.connect(attempt).catch((error: unknown) => error)
  if (!(connected instanceof Error)) expect(connected).to.equal(names.at(-1))
  else expect(connected).to.be.instanceOf(NoHostError).with.property('failures').with.length(names.length)
  return names
}

describe('BrokerHosts', () => {
  it('tries the one that worked last first, then the next ones in turn', async () => {
    const hosts = new BrokerHosts(['a:1', 'b:2', 'c:3'])
    expect([hosts.current, hosts.count]).to.deep.equal(['a:1', 3])
    expect(await tried(hosts, ['b:2'])).to.deep.equal(['a:1', 'b:2'])
    expect(hosts.current).to.equal('b:2')
    expect(await tried(hosts, ['a:1', 'b:2', 'c:3'])).to.deep.equal(['b:2'])
    expect(await tried(hosts, ['a:1'])).to.deep.equal(['b:2', 'c:3', 'a:1'])
    expect(await tried(hosts, [])).to.deep.equal(['a:1', 'b:2', 'c:3'])
    expect(hosts.current).to.equal('a:1')
  })

  it('takes names and addresses of both families', async () => {
    const seen: unknown[] = []
    await new BrokerHosts(['bus.example:5672', '10.0.0.1:1', '[::1]:5673'])
      .connect((host) => {
        seen.push(host)
        return Promise.reject(new Error('away'))
      })
      .catch(() => undefined)
    expect(seen).to.deep.equal([
      { name: 'bus.example:5672', host: 'bus.example', port: 5672 },
      { name: '10.0.0.1:1', host: '10.0.0.1', port: 1 },
      { name: '[::1]:5673', host: '::1', port: 5673 },
    ])
  })
})

import { expect } from 'chai'
import { explain } from '@wazo-websocketd/ingest/broker'

const OPTIONS = {
  host: 'bus.example',
  port: 5672,
  username: 'wazo',
  password: 'hush',
  vhost: '/v',
  heartbeat: 5,
}

/** Messages as RabbitMQ 3.10 and amqplib 2.3 make them. */
const CASES: readonly [string, string, RegExp][] = [
  [
    'wrong credentials',
    'Handshake terminated by server: 403 (ACCESS-REFUSED) with message "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the broker logfile."',
    /refuses user "wazo": check bus\.username and bus\.password/,
  ],
  [
    'a missing vhost',
    'Expected ConnectionOpenOk; got <ConnectionClose channel:0>',
    /no vhost "\/v".*check bus\.vhost/,
  ],
  [
    'missing permissions',
    `Operation failed: ExchangeDeclare; 403 (ACCESS-REFUSED) with message "ACCESS_REFUSED - access to exchange 'x' in vhost '/v' refused for user 'wazo'"`,
    /lacks permissions for user "wazo" on vhost "\/v"/,
  ],
  [
    'another exchange type',
    `Operation failed: ExchangeDeclare; 406 (PRECONDITION-FAILED) with message "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'wazo-headers' in vhost '/': received 'topic' but current is 'headers'"`,
    /exchange "wazo-headers" exists with another type: set bus\.exchange_name and bus\.exchange_type/,
  ],
  [
    'another stream',
    `Operation failed: QueueDeclare; 406 (PRECONDITION-FAILED) with message "PRECONDITION_FAILED - inequivalent arg 'x-max-age' for queue 'wazo-websocketd.v1' in vhost '/': received '1s' but current is '2s'"`,
    /the stream exists with other arguments: delete that queue/,
  ],
  [
    'an absent broker',
    'connect ECONNREFUSED 127.0.0.1:5672',
    /cannot be reached: check bus\.host and bus\.port/,
  ],
  [
    'anything else',
    'Heartbeat timeout\n    at somewhere',
    /^RabbitMQ at bus\.example:5672: Heartbeat timeout$/,
  ],
]

describe('explain', () => {
  for (const [what, message, expected] of CASES)
    it(`says in one line what to do about ${what}, without the password`, () => {
      const line = explain(new Error(message), OPTIONS)
      expect(line).to.match(expected)
      expect(line).to.not.match(/\n|hush/)
    })

  it('says what to do about a stream that the broker does not bring back, once waiting has not helped', () => {
    const message =
      `Operation failed: QueueDeclare; 404 (NOT-FOUND) with message "NOT_FOUND - home node 'rabbit@bus' of ` +
      `durable queue 'wazo-websocketd.v1' in vhost '/v' is down or inaccessible"`
    expect(explain(new Error(message), OPTIONS)).to.equal(`RabbitMQ at bus.example:5672: ${message}`)
    const lasting = explain(new Error(message), OPTIONS, true)
    expect(lasting).to.contain('does not bring queue "wazo-websocketd.v1" back')
    expect(lasting).to.match(
      /eval '[^']*<<"\/v">>, queue, <<"wazo-websocketd\.v1">>[^']*'.*once, with code 1011/,
    )
    expect(lasting).to.not.match(/\n|hush/)
    expect(explain(new Error('odd'), OPTIONS, true)).to.equal(explain(new Error('odd'), OPTIONS))
  })

  it('takes anything that was thrown', () => {
    expect(explain('odd', OPTIONS)).to.equal('RabbitMQ at bus.example:5672: odd')
  })
})

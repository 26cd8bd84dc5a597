import { expect } from 'chai'
import { describeBrokerError } from '@wazo-websocketd/ingest/broker/connection'
import { BrokerHosts, NoHostError } from '@wazo-websocketd/ingest/broker/hosts'

const OPTIONS = {
  hosts: new BrokerHosts(['bus.example:5672']),
  tls: null,
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
    'no right to send canaries',
    `Channel closed by server: 403 (ACCESS-REFUSED) with message "ACCESS_REFUSED - access to exchange 'amq.default' in vhost '/v' refused for user 'wazo'"`,
    /lacks permissions for user "wazo" on vhost "\/v": .*amq\.default/,
  ],
  [
    'another exchange type',
    `Operation failed: ExchangeDeclare; 406 (PRECONDITION-FAILED) with message "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'wazo-headers' in vhost '/': received 'topic' but current is 'headers'"`,
    /exchange "wazo-headers" exists with another type: set bus\.exchange_name and bus\.exchange_type/,
  ],
  [
    'another stream',
    `Operation failed: QueueDeclare; 406 (PRECONDITION-FAILED) with message "PRECONDITION_FAILED - inequivalent arg 'x-max-age' for queue 'wazo-websocketd.v1' in vhost '/': received '1s' but current is '2s'"`,
    /queue "wazo-websocketd.v1" exists with another x-max-age: delete that queue/,
  ],
  [
    'an absent broker',
    'connect ECONNREFUSED 127.0.0.1:5672',
    /cannot be reached: check bus\.host and bus\.port/,
  ],
  [
    'a broker that speaks TLS where it is not expected',
    'Socket closed abruptly during opening handshake',
    /if it speaks TLS on this port, set bus\.tls, or correct bus\.host/,
  ],
  [
    'another 406',
    `Operation failed: QueueDeclare; 406 (PRECONDITION-FAILED) with message "PRECONDITION_FAILED - invalid arg 'x-max-age' for queue 'q' in vhost '/': invalid_max_age"`,
    /^RabbitMQ at bus\.example:5672: Operation failed: QueueDeclare; 406 .*invalid_max_age"$/,
  ],
  [
    'anything else',
    'Heartbeat timeout\n    at somewhere',
    /^RabbitMQ at bus\.example:5672: Heartbeat timeout$/,
  ],
]

describe('describeBrokerError', () => {
  for (const [what, message, expected] of CASES)
    it(`says in one line what to do about ${what}, without the password`, () => {
      const line = describeBrokerError(new Error(message), OPTIONS)
      expect(line).to.match(expected)
      expect(line).to.not.match(/\n|hush/)
    })

  it('says what to do about a stream that the broker does not bring back, once waiting has not helped', () => {
    const message =
      `Operation failed: QueueDeclare; 404 (NOT-FOUND) with message "NOT_FOUND - home node 'rabbit@bus' of ` +
      `durable queue 'wazo-websocketd.v1' in vhost '/v' is down or inaccessible"`
    expect(describeBrokerError(new Error(message), OPTIONS)).to.equal(
      `RabbitMQ at bus.example:5672: ${message}`,
    )
    const lasting = describeBrokerError(new Error(message), OPTIONS, true)
    expect(lasting).to.contain('does not bring queue "wazo-websocketd.v1" back')
    expect(lasting).to.match(
      /eval '[^']*<<"\/v">>, queue, <<"wazo-websocketd\.v1">>[^']*'.*once, with code 1011/,
    )
    expect(lasting).to.not.match(/\n|hush/)
    expect(describeBrokerError(new Error('odd'), OPTIONS, true)).to.equal(
      describeBrokerError(new Error('odd'), OPTIONS),
    )
  })

  it('names every host that was tried, and those together that failed alike', () => {
    const coded = (code: string) => Object.assign(new Error(''), { code })
    const refused = new Error(CASES[0]?.[1])
    const failures = [
      { host: 'a:1', error: coded('ECONNREFUSED') },
      { host: 'b:2', error: refused },
      { host: 'c:3', error: coded('ECONNREFUSED') },
    ]
    expect(describeBrokerError(new NoHostError(failures), OPTIONS)).to.equal(
      'RabbitMQ at a:1, c:3 cannot be reached: check bus.host and bus.port (or bus.hosts) (ECONNREFUSED); ' +
        'RabbitMQ at b:2 refuses user "wazo": check bus.username and bus.password',
    )
  })

  const tls: readonly [string, RegExp][] = [
    ['SELF_SIGNED_CERT_IN_CHAIN', /not trusted: name the file of its authority in bus\.tls\.ca/],
    ['ERR_TLS_CERT_ALTNAME_INVALID', /for other names: correct bus\.host/],
    ['CERT_HAS_EXPIRED', /has expired: renew it there/],
    ['ERR_SSL_WRONG_VERSION_NUMBER', /does not speak TLS on this port: correct bus\.host .*bus\.tls/],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', /correct bus\.tls\.cert and bus\.tls\.key/],
  ]
  for (const [code, expected] of tls)
    it(`says which key mends ${code}`, () => {
      const line = describeBrokerError(Object.assign(new Error('words\nof OpenSSL'), { code }), OPTIONS)
      expect(line).to.match(expected).and.not.include('\n')
    })

  it('takes anything that was thrown', () => {
    expect(describeBrokerError('odd', OPTIONS)).to.equal('RabbitMQ at bus.example:5672: odd')
  })
})

/** The configuration file that both programs of the demo read. */

/**
 * @param {object} demo
 * @param {string} demo.directory where an empty conf.d may be
 * @param {string} demo.origin this Wazo's uuid
 * @param {{ host: string, port: number, serviceId: string, serviceKey: string }} demo.auth
 * @param {string} demo.amqpUrl
 * @param {string} demo.redisUrl
 * @param {{ websocket: number, edge: number, ingest: number }} demo.ports
 * @returns {string} YAML (as JSON, which is YAML)
 */
export function demoConfig({ directory, origin, auth, amqpUrl, redisUrl, ports }) {
  const bus = new URL(amqpUrl)
  const config = {
    uuid: origin,
    // Otherwise the machine's own /etc/wazo-websocketd/conf.d would take part.
    extra_config_files: `${directory}/conf.d`,
    auth: {
      host: auth.host,
      port: auth.port,
      https: false,
      prefix: null,
      username: auth.serviceId,
      password: auth.serviceKey,
      key_file: null,
    },
    bus: {
      host: bus.hostname,
      port: Number(bus.port || 5672),
      username: decodeURIComponent(bus.username || 'guest'),
      password: decodeURIComponent(bus.password || 'guest'),
      vhost: bus.pathname.length > 1 ? decodeURIComponent(bus.pathname.slice(1)) : '/',
    },
    // A prefix of its own, so that a demo in a named Redis cannot meet a real installation.
    redis: { url: redisUrl, prefix: 'wazo-ws-demo' },
    websocket: { listen: '127.0.0.1', port: ports.websocket },
    process_workers: 2,
    metrics: { listen: '127.0.0.1', edge_port: ports.edge, ingest_port: ports.ingest },
    admin: { socket: `${directory}/edge.sock` },
    drain: { timeout: 3 },
    console: { enabled: true },
  }
  return JSON.stringify(config, null, 2) + '\n'
}

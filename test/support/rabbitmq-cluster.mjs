/**
 * A RabbitMQ cluster of one's own on this machine: loopback only, nodes with one port mapper and one cookie.
 * They form a cluster by themselves (`classic_config`), and any of them may be killed and started again.
 */
import { newPlace, prepareGround, startNode } from './rabbitmq.mjs'
import { waitFor } from './wait.mjs'

const FORM_MS_MAX = 60_000
const JOIN_EVERY_MS = 200
const WELL_MS_MAX = 60_000
/** Of a question to another node. */
const CALL_MS_MAX = 1_000

/** @typedef {import('./rabbitmq.mjs').Rabbit} Rabbit */
/** @typedef {import('./rabbitmq.mjs').Place} Place */

/**
 * @typedef {object} RabbitCluster
 * @property {readonly Rabbit[]} nodes each keeps its place; `kill` and `start` are those of one node
 * @property {readonly string[]} addresses as in `bus.hosts`
 * @property {(name: string) => Promise<string>} vhost the name of a fresh virtual host; its URL is `${nodes[i].url}/${name}`
 * @property {(expression: string) => Promise<string>} evaluate runs an Erlang expression in the first node that runs
 * @property {(vhost: string, stream: string) => Promise<number>} leaderOf the index of the node of the stream's writer; -1: none is known
 * @property {(vhost: string, stream: string) => Promise<number>} online how many members of the stream run
 * @property {(vhost: string, stream: string) => Promise<void>} killWriter ends the stream's writer process, and nothing else
 * @property {(vhost: string, stream: string, timeoutMs?: number) => Promise<void>} well resolves when every node runs and has a member of the stream, one of them the leader
 * @property {() => Promise<void>} stop
 */

/**
 * Resolves when all nodes take connections and know each other.
 * @param {{ size?: number, config?: readonly string[] }} [options] `config`: more lines of rabbitmq.conf
 * @returns {Promise<RabbitCluster>}
 */
export async function startRabbitCluster({ size = 3, config = [] } = {}) {
  const ground = await prepareGround()
  const places = await Promise.all(Array.from({ length: size }, () => newPlace(ground)))
  const started = await Promise.allSettled(
    places.map((place, i) => startNode(place, [...(i === 0 ? [] : joining(places[0], place)), ...config])),
  )
  const nodes = started.flatMap((each) => (each.status === 'fulfilled' ? each.value : []))
  const stop = async () => {
    await Promise.all(nodes.map((node) => node.stop()))
    await ground.epmd.terminate('SIGKILL')
  }
  const failure = started.find((each) => each.status === 'rejected')
  const cluster = {
    nodes,
    addresses: nodes.map(({ port }) => `127.0.0.1:${port}`),
    stop,
    ...controls(nodes, places),
  }
  try {
    if (failure !== undefined) throw failure.reason
    await formed(cluster, size)
  } catch (error) {
    await stop()
    throw error
  }
  return cluster
}

/**
 * All join the first node, which waits for nobody: nodes that look for each other wait for a lock of them all.
 * @param {Place | undefined} first @param {Place} own
 */
function joining(first, own) {
  const discovery = 'cluster_formation.'
  return [
    `${discovery}peer_discovery_backend = classic_config`,
    `${discovery}discovery_retry_interval = ${JOIN_EVERY_MS}`,
    `${discovery}discovery_retry_limit = ${FORM_MS_MAX / JOIN_EVERY_MS}`,
    ...[first, own].map((place, i) => `${discovery}classic_config.nodes.${i + 1} = ${place?.node}`),
  ]
}

/** @param {Pick<RabbitCluster, 'nodes'>} cluster @param {number} size */
async function formed({ nodes }, size) {
  const known = async () => {
    // A node counts as running before it is done; a virtual host that is made meanwhile may never begin there.
    const counts = await Promise.all(
      nodes.map((node) => node.evaluate('{rabbit:is_running(), length(rabbit_nodes:all_running())}.')),
    )
    return counts.every((count) => count.replaceAll(' ', '') === `{true,${size}}`)
  }
  await waitFor(known, { timeoutMs: FORM_MS_MAX, everyMs: 100, what: 'the RabbitMQ cluster to form' })
}

/**
 * @param {readonly Rabbit[]} nodes
 * @param {readonly Place[]} places
 */
function controls(nodes, places) {
  /** @param {string} expression */
  const evaluate = (expression) => {
    const running = nodes.find((node) => node.running())
    if (running === undefined) throw new Error('no node of the RabbitMQ cluster runs')
    return running.evaluate(expression)
  }
  /**
   * Evaluates an expression over `Members`, the processes that live now: `[{Pid, writer | replica}]`.
   * @param {string} vhost @param {string} stream @param {string} expression
   */
  const ofMembers = (vhost, stream, expression) =>
    evaluate(
      `{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"${vhost}">>, queue, <<"${stream}">>)), ` +
        `{ok, Known} = rabbit_stream_coordinator:members(maps:get(name, amqqueue:get_type_state(Q))), ` +
        `Members = [{P, R} || {_, {P, R}} <- maps:to_list(Known), is_pid(P), ` +
        `rpc:call(node(P), erlang, is_process_alive, [P], ${CALL_MS_MAX}) =:= true], ${expression}.`,
    )
  /** @param {string} vhost @param {string} stream */
  const leaderOf = async (vhost, stream) => {
    const name = await ofMembers(vhost, stream, '[node(P) || {P, writer} <- Members]')
    return places.findIndex(({ node }) => name.includes(node))
  }
  /** @param {string} vhost @param {string} stream */
  const online = async (vhost, stream) => Number(await ofMembers(vhost, stream, 'length(Members)'))
  return {
    evaluate,
    leaderOf,
    online,
    /** @param {string} name */
    async vhost(name) {
      const url = await /** @type {Rabbit} */ (nodes.find((node) => node.running())).vhost(name)
      return new URL(url).pathname.slice(1)
    },
    /** @param {string} vhost @param {string} stream */
    async killWriter(vhost, stream) {
      await ofMembers(vhost, stream, '[exit(P, kill) || {P, writer} <- Members], ok')
    },
    /** @param {string} vhost @param {string} stream */
    async well(vhost, stream, timeoutMs = WELL_MS_MAX) {
      // A node may have its member of the stream before it takes connections to the virtual host.
      const alive = (/** @type {Rabbit} */ node) =>
        node.evaluate(`rabbit_vhost_sup_sup:is_vhost_alive(<<"${vhost}">>).`)
      const whole = async () =>
        nodes.every((node) => node.running()) &&
        (await Promise.all(nodes.map(alive))).every((is) => is === 'true') &&
        (await leaderOf(vhost, stream)) >= 0 &&
        (await online(vhost, stream)) === nodes.length
      await waitFor(whole, { timeoutMs, everyMs: 100, what: `every node to have stream ${stream}` })
    },
  }
}

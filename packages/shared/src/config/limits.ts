/** `limits.*`: what protects the service and its clients from each other. Units stand last in each name. */
import { z } from 'zod'
import { count, flag, seconds } from './values.js'

const KIB = 1024
const MIB = 1024 * KIB

export const limitsSchema = z.object({
  /** Largest message of a client; above it: 1009. */
  client_frame_bytes: count().default(64 * KIB),
  /** Most fragments that one message of a client may consist of. */
  client_fragments: count().default(16),
  /** Frames of one client, counted in tenths of a second; a faster client is not read for the rest of one. */
  client_frames_per_second: count(10).default(2_000),
  /** Bytes of one client, counted and bounded as its frames are. */
  client_bytes_per_second: count(1 * KIB).default(2 * MIB),
  /** Pieces in which the operating system hands over what one client sends; a faster client is not read for a while. */
  client_reads_per_second: count(10).default(640),
  /** Sustained rate of a client's pings and pongs beyond the burst; above it: 1008. */
  control_frames_per_second: count().default(10),
  /** Pings and pongs that a client may send at once. */
  control_frames_burst: count().default(100),
  /** What a client may still send after the closing handshake has begun; above it the connection is cut. */
  closing_bytes: count(0).default(128 * KIB),
  /** Whether compression of messages may be negotiated. */
  permessage_deflate: flag().default(false),
  /** Time in which the headers of an upgrade must be complete. */
  handshake_seconds: seconds().default(5),
  handshake_header_bytes: count(1 * KIB).default(16 * KIB),
  /** Upgrades whose headers are not complete yet. */
  incomplete_upgrades_per_worker: count().default(512),
  /** Requests to wazo-auth at any time, divided among the workers of a host. */
  auth_in_flight_per_host: count().default(64),
  /** Deadline of one request to wazo-auth; `auth.timeout` wins over it. */
  auth_try_seconds: seconds().default(3),
  /** Deadline of a look-up with all its retries; after it: 1013. Where nobody answers at the address: 1.5 s at most. */
  auth_total_seconds: seconds().default(8),
  /** Look-ups that wait for one of the requests in flight, of newcomers and of open sessions each; above it: 1013 at once. */
  auth_waiting_lookups: count(0).default(5000),
  /**
   * Tokens of one client address that wazo-auth may refuse, at once or one after the other, divided among the workers of a
   * host; above it: 1013 without a look-up. null: no limit. Needs `websocket.trusted_proxies`, also without a proxy: any
   * other address may be that of a proxy, with many clients behind it.
   */
  auth_refused_tokens_per_address_per_minute: count().nullable().default(300),
  /** Sustained rate of a client's ops; a faster client is not read for a while. */
  ops_per_second: count().default(50),
  ops_burst: count().default(300),
  subscriptions_per_session: count().default(1024),
  event_name_bytes: count().default(256),
  connections_per_worker: count().default(16_000),
  connections_per_token: count().default(200),
  /** null: no limit. */
  connections_per_user: count().nullable().default(null),
  /** null: no limit. Behind a proxy it needs `websocket.trusted_proxies`. */
  connections_per_ip: count().nullable().default(null),
  /**
   * Connections of one address in a second, after a burst of five times as many, divided among the workers of a host; above it
   * they are closed before their request is read, or get 429 where a trusted proxy names the address. null: no limit.
   */
  connects_per_ip_per_second: count().nullable().default(null),
  /** A client that stays above it for `send_buffer_soft_seconds` is closed: 1013 `slow consumer`. */
  send_buffer_soft_bytes: count().default(1 * MIB),
  send_buffer_soft_seconds: seconds().default(10),
  /** A client above it is closed at once. */
  send_buffer_hard_bytes: count().default(16 * MIB),
  /** All send buffers of a worker together; above it the largest are shed first. */
  send_buffer_worker_bytes: count().default(256 * MIB),
  /** A client that has not answered a ping for so long is dead. */
  pong_seconds: seconds().default(20),
  /** Largest body of an event; a larger one is dropped and counted. */
  event_body_bytes: count().default(1 * MIB),
  /** A token with a longer ACL is refused, never truncated. */
  acl_patterns_per_token: count().default(5000),
  acl_pattern_bytes: count().default(512),
})

/** What the configuration means to the sessions and sockets of one worker; times become milliseconds. */
import type { Config } from '@wazo-websocketd/shared/config/schema'
import type { SessionsOptions } from '../session/sessions.js'
import type { SocketLimits } from '../socket/limits.js'
import type { ConnectionRoom } from './connection-room.js'

export function sessionLimits(
  { limits }: Pick<Config, 'limits'>,
  room: ConnectionRoom,
): SessionsOptions['limits'] {
  return {
    subscriptionsPerSession: limits.subscriptions_per_session,
    eventNameBytes: limits.event_name_bytes,
    opsPerSecond: limits.ops_per_second,
    opsBurst: limits.ops_burst,
    connectionsPerWorker: room.connections,
    connectionsPerToken: limits.connections_per_token,
    connectionsPerUser: limits.connections_per_user,
    connectionsPerIp: limits.connections_per_ip,
  }
}

/** @param workers of this host; each has its part of the connects that an address may make */
export function socketLimits(
  { limits }: Pick<Config, 'limits'>,
  room: ConnectionRoom,
  workers: number,
): SocketLimits {
  return {
    clientFrameBytes: limits.client_frame_bytes,
    clientFragments: limits.client_fragments,
    clientReadsPerSecond: limits.client_reads_per_second,
    clientFramesPerSecond: limits.client_frames_per_second,
    clientBytesPerSecond: limits.client_bytes_per_second,
    controlFramesPerSecond: limits.control_frames_per_second,
    controlFramesBurst: limits.control_frames_burst,
    closingBytes: limits.closing_bytes,
    handshakeTime: limits.handshake_seconds * 1000,
    handshakeHeaderBytes: limits.handshake_header_bytes,
    incompleteUpgrades: limits.incomplete_upgrades_per_worker,
    connectsPerIpPerSecond:
      limits.connects_per_ip_per_second === null ? null : limits.connects_per_ip_per_second / workers,
    socketsPerWorker: room.sockets,
    sendBufferSoftBytes: limits.send_buffer_soft_bytes,
    sendBufferSoftTime: limits.send_buffer_soft_seconds * 1000,
    sendBufferHardBytes: limits.send_buffer_hard_bytes,
    sendBufferWorkerBytes: limits.send_buffer_worker_bytes,
    pongTime: limits.pong_seconds * 1000,
  }
}

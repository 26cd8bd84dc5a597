import { encodeServerMessage, type ServerMessage } from '@wazo-websocketd/shared/domain/protocol'
import { frameString } from './frame.js'

const frames = new Map<string, Uint8Array>()

/**
 * Returns the frame of a control message that is the same for all clients, made once; null where each needs its own.
 */
export function sharedControlFrame(message: ServerMessage): Uint8Array | null {
  if (message.op === 'pong' || (message.op === 'start' && message.resumption !== null)) return null
  const key = message.op === 'init' ? `init ${message.version} ${message.resumeSeconds}` : message.op
  let frame = frames.get(key)
  if (frame === undefined) frames.set(key, (frame = controlFrame(message)))
  return frame
}

/** Makes the frame of any control message. */
export function controlFrame(message: ServerMessage): Uint8Array {
  return frameString(encodeServerMessage(message))
}

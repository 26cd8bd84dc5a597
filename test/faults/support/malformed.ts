/** Requests and frames that are refused, each with a token somewhere in it. */
import { connect } from 'node:net'
import type { Client } from '../../support/client.js'

const ANSWER_MS_MAX = 3_000
const UPGRADE = 'Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n'
const KEY = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
const VERSION = 'Sec-WebSocket-Version: 13\r\n'
const HEADER_BYTES = 20_000
const FRAME_BYTES = 70_000
/** No origin that the configuration allows. */
const ORIGIN = 'Origin: https://elsewhere.example\r\n'

/** What is wrong: the request as it goes over the wire, and how the server's answer begins. */
export const REQUESTS: Readonly<Record<string, { request: (token: string) => string; answer: RegExp }>> = {
  'no upgrade': {
    request: (token) => `GET /?token=${token} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: ${token}\r\n\r\n`,
    answer: /^HTTP\/1.1 426/,
  },
  'another method': {
    request: (token) =>
      `POST /${token} HTTP/1.1\r\nHost: x\r\nContent-Length: ${token.length}\r\n\r\n${token}`,
    answer: /^HTTP\/1.1 426/,
  },
  'another version of HTTP': {
    request: (token) => `GET /?token=${token} HTTP/9.9\r\nHost: x\r\n\r\n`,
    answer: /^HTTP\/1.1 400/,
  },
  'no request line': { request: (token) => `${token}\r\n\r\n`, answer: /^HTTP\/1.1 400/ },
  'a header without a colon': {
    request: (token) => `GET / HTTP/1.1\r\nX-Auth-Token ${token}\r\n\r\n`,
    answer: /^HTTP\/1.1 400/,
  },
  'a header with a control character': {
    request: (token) => `GET / HTTP/1.1\r\n${UPGRADE}X-Auth-Token: ${token}\x00\r\n\r\n`,
    answer: /^HTTP\/1.1 400/,
  },
  'headers that are too big': {
    request: (token) =>
      `GET /?token=${token} HTTP/1.1\r\n${UPGRADE}X-Big: ${token.padEnd(HEADER_BYTES, 'x')}\r\n\r\n`,
    answer: /^HTTP\/1.1 431/,
  },
  'no key': {
    request: (token) => `GET /?token=${token} HTTP/1.1\r\n${UPGRADE}${VERSION}\r\n`,
    answer: /^HTTP\/1.1 400/,
  },
  'another version of WebSocket': {
    request: (token) =>
      `GET /?token=${token} HTTP/1.1\r\n${UPGRADE}${KEY}Sec-WebSocket-Version: 7\r\nX-Auth-Token: ${token}\r\n\r\n`,
    answer: /^HTTP\/1.1 4(00|26)/,
  },
  'a forbidden origin': {
    request: (token) => `GET /?token=${token} HTTP/1.1\r\n${UPGRADE}${KEY}${VERSION}${ORIGIN}\r\n`,
    answer: /^HTTP\/1.1 403/,
  },
}

/** What is wrong: what an open session is sent, and the code that it is closed with. */
export const FRAMES: Readonly<
  Record<string, { send: (client: Client, token: string) => unknown; code: number }>
> = {
  'no JSON': { send: (client, token) => client.send(`{"op": "token", ${token}`), code: 4004 },
  'no object': { send: (client, token) => client.send(JSON.stringify([token])), code: 4004 },
  'an unknown op': { send: (client, token) => client.send({ op: token }), code: 4004 },
  'an op that is no string': { send: (client, token) => client.send({ op: { token } }), code: 4004 },
  'data that is no object': {
    send: (client, token) => client.send({ op: 'token', data: token }),
    code: 4004,
  },
  'a token that is no string': {
    send: (client, token) => client.send({ op: 'token', data: { token: [token] } }),
    code: 4004,
  },
  'a binary frame': { send: (client, token) => client.socket.send(Buffer.from(token)), code: 4004 },
  'no UTF-8': {
    send: (client, token) =>
      client.socket.send(Buffer.concat([Buffer.from(token), Buffer.from([0xff])]), { binary: false }),
    code: 1007,
  },
  'a frame that is too big': {
    send: (client, token) =>
      client.send({ op: 'token', data: { token: token.repeat(Math.ceil(FRAME_BYTES / token.length)) } }),
    code: 1009,
  },
}

/** Sends bytes to a port; gives what it answers until it closes the connection. */
export function exchangeRaw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = ''
    const socket = connect(port, '127.0.0.1', () => socket.write(text, 'latin1'))
    const timer = setTimeout(() => socket.destroy(), ANSWER_MS_MAX)
    socket.setEncoding('latin1').on('data', (chunk: string) => (answer += chunk))
    socket.on('error', (error) => {
      if (answer === '') reject(error)
    })
    socket.on('close', () => {
      clearTimeout(timer)
      resolve(answer)
    })
  })
}

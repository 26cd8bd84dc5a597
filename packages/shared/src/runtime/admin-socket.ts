/** The admin endpoint on a unix socket, whose file says who may give orders. */
import { chmodSync, existsSync, statSync, unlinkSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { handleAdmin, type AdminRoutes } from './admin-routes.js'
import { describeSystemError, errorCode } from './system-error.js'

export interface AdminSocket {
  /** Ends it and removes its file. */
  close(): Promise<void>
}

/** Owner and group: who may read the configuration may also ask and order. */
const MODE = 0o660
const UMASK = 0o117
const CONNECTIONS_MAX = 100
const HEADERS_TIMEOUT_MS = 5000

/**
 * Listens on `path`. A file that a killed program has left there is replaced; that of a program that runs is not.
 * @throws Error in one line that names the path, when it cannot be listened on.
 */
export async function startAdminSocket(path: string, routes: AdminRoutes): Promise<AdminSocket> {
  const server = createServer(
    { headersTimeout: HEADERS_TIMEOUT_MS },
    (request, response) => void handleAdmin(routes, request, response, true),
  )
  server.maxConnections = CONNECTIONS_MAX
  try {
    await listenOnPath(server, path)
  } catch (error) {
    if (errorCode(error) !== 'EADDRINUSE') throw listenProblem(error, path)
    if (!isSocket(path)) throw problem(path, 'a file that is no socket is there', error)
    if (await socketAnswers(path)) throw problem(path, 'in use by another program', error)
    try {
      unlinkSync(path)
      await listenOnPath(server, path)
    } catch (again) {
      throw listenProblem(again, path)
    }
  }
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** The file has its mode from the first moment on. */
function listenOnPath(server: Server, path: string): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    const before = process.umask(UMASK)
    try {
      server.listen({ path, exclusive: true }, () => {
        server.off('error', reject)
        resolve()
      })
    } finally {
      process.umask(before)
    }
  }).then(() => chmodSync(path, MODE))
}

function isSocket(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isSocket() ?? false
}

function socketAnswers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', (error) => resolve(errorCode(error) !== 'ECONNREFUSED'))
  })
}

function listenProblem(error: unknown, path: string): Error {
  // libuv says EACCES of a missing directory, too.
  const why = existsSync(dirname(path)) ? describeSystemError(error) : 'its directory does not exist'
  return problem(path, why, error)
}

function problem(path: string, why: string, cause: unknown): Error {
  return new Error(`admin.socket: cannot listen on ${path}: ${why}`, { cause })
}

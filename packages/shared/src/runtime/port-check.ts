import { createServer } from 'node:net'
import { listenError } from './startup-error.js'

/**
 * Binds a port for a moment, so that one that cannot be had is found before anything else is started. `keys` are the
 * configuration keys that choose the address.
 * @throws StartupError in one line that says what is wrong and what to do.
 */
export function checkPort(host: string, port: number, keys: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy())
    server.on('error', (error) => reject(listenError(error, host, port, keys)))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve()))
  })
}

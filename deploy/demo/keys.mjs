/** Keys to press while the demo runs, each of which shows what a client notices of something. */

export const KEYS = [
  '  u  upgrade: replaces the workers one by one; a page stays connected',
  '  r  restart: ends the edge and starts it again; a page comes back, and misses nothing',
  "  d  deletes the administrator's token: a page with it is closed with 4003",
].join('\n')

const CTRL_C = '\u0003'
const CTRL_D = '\u0004'

/**
 * Obeys the keys of the terminal from now on, one after the other.
 * @param {object} stack
 * @param {readonly { role: string, token: string }[]} stack.tokens
 * @param {() => void} stack.upgrade
 * @param {() => Promise<void>} stack.restart
 * @param {(token: string) => Promise<void>} stack.deleteToken
 * @param {() => void} end what Ctrl-C does
 */
export function obeyKeys({ tokens, upgrade, restart, deleteToken }, end) {
  const { stdin } = process
  let obeyed = Promise.resolve()
  stdin.setRawMode(true)
  stdin.setEncoding('utf8')
  stdin.on('data', (keys) => {
    for (const key of String(keys)) {
      if (key === CTRL_C || key === CTRL_D) end()
      else obeyed = obeyed.then(() => obey(key))
    }
  })

  /** @param {string} key */
  async function obey(key) {
    const admin = tokens.find(({ role }) => role === 'admin')
    if (key === 'u') {
      console.log('Replacing the workers: watch the page.')
      upgrade()
    } else if (key === 'r') {
      console.log('Restarting the edge ...')
      await restart()
      console.log('The edge is back.')
    } else if (key === 'd' && admin !== undefined) {
      await deleteToken(admin.token)
      console.log("The administrator's token is deleted.")
    }
  }
}

/** The program wazo-websocketd-wait-online: ends with status 0 as soon as the edge of this host answers clients. */
import { parseArgs } from 'node:util'
import { ConfigError } from '@wazo-websocketd/shared/config/error'
import { loadConfig } from '@wazo-websocketd/shared/config/load'
import { processEnvironment } from '@wazo-websocketd/shared/config/process-environment'
import {
  messageOf,
  STATUS_CONFIG,
  STATUS_USAGE,
  StartupError,
} from '@wazo-websocketd/shared/runtime/startup-error'
import { PROGRAM } from './config/program.js'
import { untilAnswer, type Port } from './process/answer.js'

const NAME = 'wazo-websocketd-wait-online'
const SECONDS_MAX_DEFAULT = 60
const USAGE = `Usage: ${NAME} [-c FILE] [-t SECONDS]

Waits until wazo-websocketd-edge answers on the WebSocket port of this host, which the configuration names, and
ends with status 0; with status 1 when it does not answer in time.

  -c, --config-file FILE  the configuration file (default: /etc/wazo-websocketd/config.yml)
  -t, --timeout SECONDS   how long to wait (default: ${SECONDS_MAX_DEFAULT})
  -h, --help              print this
`

/** @throws StartupError with status 2 when the arguments are wrong. */
function options(argv: readonly string[]): { configFile: string | null; secondsMax: number; help: boolean } {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        'config-file': { type: 'string', short: 'c' },
        timeout: { type: 'string', short: 't', default: String(SECONDS_MAX_DEFAULT) },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    const secondsMax = Number(values.timeout)
    if (!(secondsMax > 0)) throw new Error(`-t must be a number of seconds above 0, not ${values.timeout}`)
    return { configFile: values['config-file'] ?? null, secondsMax, help: values.help }
  } catch (error) {
    throw new StartupError(`${messageOf(error)} (see ${NAME} --help)`, STATUS_USAGE)
  }
}

/** @throws ConfigError when the edge's configuration cannot be used. */
function portOf(configFile: string | null): Port {
  const environment = processEnvironment()
  const { config } = loadConfig({ program: PROGRAM, configFile, debug: false, user: null, environment })
  const { listen, port, certificate } = config.websocket
  return { host: listen, port, tls: certificate !== null }
}

async function main(): Promise<number> {
  const { configFile, secondsMax, help } = options(process.argv.slice(2))
  if (help) {
    process.stdout.write(USAGE)
    return 0
  }
  const port = portOf(configFile)
  if (await untilAnswer(port, secondsMax * 1000)) return 0
  const where = `${port.tls ? 'wss' : 'ws'}://${port.host.includes(':') ? `[${port.host}]` : port.host}:${port.port}`
  throw new StartupError(`${where} has not answered within ${secondsMax} s`)
}

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof ConfigError || error instanceof StartupError)) throw error
  process.stderr.write(`${NAME}: ${messageOf(error)}\n`)
  process.exitCode = error instanceof StartupError ? error.status : STATUS_CONFIG
}

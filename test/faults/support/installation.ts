/** The edge as installed on a host: a copy of its code that a test may change, as the next release would. */
import { cp, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startGuarded, temporaryDirectory } from '../../support/guard.mjs'
import { fromSource, type Program } from '../../support/program.mjs'
import { waitFor } from '../../support/wait.mjs'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const CODE = fromSource ? 'src' : 'dist'
const EXTENSION = fromSource ? 'ts' : 'js'
const WORKER = `worker.${EXTENSION}`

export class Installation {
  readonly directory: string
  private readonly configFile: string
  private original = ''

  private constructor(directory: string) {
    this.directory = directory
    this.configFile = join(directory, 'config.yml')
  }

  /** Copies what is under test, from source or built, and links what it depends on. */
  static async make(): Promise<Installation> {
    const made = new Installation(await temporaryDirectory('installation'))
    const { directory } = made
    for (const name of ['shared', 'edge'])
      for (const part of [CODE, 'package.json', ...(name === 'edge' ? ['bin', 'console'] : [])])
        await cp(join(ROOT, 'packages', name, part), join(directory, 'packages', name, part), {
          recursive: true,
        })
    const modules = join(directory, 'node_modules')
    await mkdir(join(modules, '@wazo-websocketd'), { recursive: true })
    for (const name of ['shared', 'edge'])
      await symlink(join(directory, 'packages', name), join(modules, '@wazo-websocketd', name))
    for (const name of await readdir(join(ROOT, 'node_modules')))
      if (!name.startsWith('.') && name !== '@wazo-websocketd')
        await symlink(join(ROOT, 'node_modules', name), join(modules, name))
    await writeFile(join(directory, 'package.json'), '{ "type": "module" }')
    made.original = await readFile(made.worker, 'utf8')
    return made
  }

  private get worker(): string {
    return join(this.directory, 'packages', 'edge', CODE, WORKER)
  }

  /** The code says from now on that it is of this version. */
  async setVersion(version: string): Promise<void> {
    const file = join(this.directory, 'packages', 'shared', 'package.json')
    const description = JSON.parse(await readFile(file, 'utf8')) as object
    await writeFile(file, JSON.stringify({ ...description, version }))
  }

  /** The worker's module begins with this statement; none: it is as it was. */
  async setWorker(statement = ''): Promise<void> {
    await writeFile(this.worker, `${statement}\n${this.original}`)
  }

  async configure(config: object): Promise<void> {
    const isolated = { extra_config_files: join(this.directory, 'conf.d'), ...config }
    await writeFile(this.configFile, JSON.stringify(isolated))
  }

  /** The program with the configuration of the last `configure`. */
  start(): Program {
    const bin = join(this.directory, 'packages', 'edge', 'bin', 'wazo-websocketd-edge.js')
    const main = join(this.directory, 'packages', 'edge', 'src', 'main.ts')
    const args = fromSource ? ['--import', 'tsx', '--conditions=source', main] : [bin]
    const program = startGuarded(process.execPath, [...args, '-c', this.configFile], { cwd: ROOT })
    return {
      pid: program.pid,
      logs: program.output,
      exit: program.exit,
      kill: program.kill,
      killGroup: program.killGroup,
      async ready(port, timeoutMs = 40_000) {
        const answers = () =>
          fetch(`http://127.0.0.1:${port}/readyz`).then(
            ({ ok }) => ok,
            () => false,
          )
        await waitFor(answers, { timeoutMs, everyMs: 50, what: 'the edge to be ready' })
      },
      async stop(signal = 'SIGTERM', graceMs = 40_000) {
        await program.terminate(signal, graceMs)
        return program.exit
      },
    }
  }
}

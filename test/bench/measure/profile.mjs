/** `node --import`: a process that writes a CPU profile of its life into the folder BENCH_PROFILES when it ends. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { Session } from 'node:inspector'
import { basename, join } from 'node:path'

const directory = process.env.BENCH_PROFILES
if (directory !== undefined) {
  const session = new Session()
  session.connect()
  session.post('Profiler.enable')
  session.post('Profiler.start')
  process.on('exit', () => {
    session.post('Profiler.stop', (error, result) => {
      if (error !== null) return
      mkdirSync(directory, { recursive: true })
      const name = `${basename(process.argv[1] ?? 'node', '.js')}-${process.pid}.cpuprofile`
      writeFileSync(join(directory, name), JSON.stringify(result.profile))
    })
  })
}

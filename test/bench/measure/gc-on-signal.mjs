/** `node --import`: a process that cleans its memory up on SIGUSR2, so that what is measured is what is needed. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc')

process.on('SIGUSR2', () => collect())

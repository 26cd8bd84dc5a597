/** Runs other programs. */
import { spawn } from 'node:child_process'

/**
 * Resolves with what the program wrote to standard output.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} [options]
 * @returns {Promise<string>}
 * @throws {Error} in one line, when it cannot be started or fails
 */
export function run(command, args, { cwd, env } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    let errors = ''
    child.stdout.setEncoding('utf8').on('data', (text) => void (output += text))
    child.stderr.setEncoding('utf8').on('data', (text) => void (errors += text))
    child.once('error', (error) => reject(new Error(`${command} cannot be started: ${error.message}`)))
    child.once('close', (status, signal) => {
      if (status === 0) return resolve(output)
      const said = `${errors}\n${output}`.trim().split('\n').slice(-5).join(' | ')
      reject(new Error(`${command} ${args[0] ?? ''} failed (${signal ?? `status ${status}`}): ${said}`))
    })
  })
}

import { createHash } from 'node:crypto'

/** What a script runs on. */
export interface Caller {
  callBuffer(command: string, ...args: (string | number | Buffer)[]): Promise<unknown>
}

/** Runs a Lua script, which Redis remembers by its digest once it has run there. */
export class Script {
  private readonly source: string
  private readonly sha: string

  constructor(source: string) {
    this.source = source
    this.sha = createHash('sha1').update(source).digest('hex')
  }

  /** Runs it; texts of the answer are Buffers. Rejects with what Redis or the connection says. */
  async run(
    client: Caller,
    keys: readonly string[],
    args: readonly (string | number | Buffer)[],
  ): Promise<unknown> {
    const rest = [keys.length, ...keys, ...args]
    try {
      return await client.callBuffer('EVALSHA', this.sha, ...rest)
    } catch (error) {
      if (!(error instanceof Error) || !error.message.includes('NOSCRIPT')) throw error
      return client.callBuffer('EVAL', this.source, ...rest)
    }
  }
}

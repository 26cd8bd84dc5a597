const ANSWER_MS_MAX = 900

/** What a program tells of itself: values by name and labels, as they stand on its page. */
export type Sample = ReadonlyMap<string, number>

/** Reads /metrics on this port of the machine. Rejects when there is no answer in time. */
export async function readMetrics(port: number): Promise<Sample> {
  const signal = AbortSignal.timeout(ANSWER_MS_MAX)
  const response = await fetch(`http://127.0.0.1:${port}/metrics`, { signal })
  return parse(await response.text())
}

function parse(text: string): Sample {
  const sample = new Map<string, number>()
  for (const line of text.split('\n')) {
    const [, name, value] = /^websocketd_(\w+(?:\{[^}]*\})?) (\S+)$/.exec(line) ?? []
    if (name !== undefined) sample.set(name, Number(value))
  }
  return sample
}

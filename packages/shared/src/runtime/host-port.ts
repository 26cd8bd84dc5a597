/** Where a server listens. */
export interface HostPort {
  readonly host: string
  readonly port: number
}

/** Parts of a `host:port`, whose IPv6 address stands in brackets (as in the configuration) or not (as Redis writes it). */
export function parseHostPort(text: string): HostPort {
  const colon = text.lastIndexOf(':')
  return { host: text.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(text.slice(colon + 1)) }
}

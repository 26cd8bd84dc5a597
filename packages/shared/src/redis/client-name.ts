/** How connections are called at Redis (`CLIENT LIST`): from it an operator, and doctor, see who is there. */

const NAME = /^wazo-websocketd-([a-z-]+)@([0-9A-Za-z.+-]+)/

/** Role and version of the program at the other end of a connection. */
export interface NamedClient {
  readonly role: string
  readonly version: string
}

export function connectionName(role: string, version: string): string {
  return `wazo-websocketd-${role}@${version}`
}

/** What `name` says; null: it is not a connection of ours, or of a version that did not say more. */
export function parseConnectionName(name: string): NamedClient | null {
  const [, role, version] = NAME.exec(name) ?? []
  return role === undefined || version === undefined ? null : { role, version }
}

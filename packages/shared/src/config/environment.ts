import type { Leaf, Node, Tree } from './tree.js'

export type Environment = Readonly<Record<string, string | undefined>>

const PREFIX = 'WAZO_WEBSOCKETD_'
const NESTING = '__'

/**
 * The tree of the environment: `WAZO_WEBSOCKETD_BUS__HOST` is `bus.host`. `XIVO_UUID`, which every Wazo
 * daemon reads, is `uuid`, unless `WAZO_WEBSOCKETD_UUID` is set too. Where variables contradict each other
 * (`..._BUS` and `..._BUS__HOST`) the deeper one counts.
 */
export function environmentTree(environment: Environment): Tree {
  const root = new Map<string, Node>()
  const xivoUuid = environment['XIVO_UUID']
  if (xivoUuid !== undefined && xivoUuid !== '') root.set('uuid', leaf('XIVO_UUID', xivoUuid))
  for (const [name, text] of Object.entries(environment).sort(byName)) {
    if (text === undefined || !name.startsWith(PREFIX) || name === PREFIX) continue
    set(root, name.slice(PREFIX.length).toLowerCase().split(NESTING), leaf(name, text))
  }
  return root
}

function byName([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : 1
}

function leaf(name: string, text: string): Leaf {
  return { value: text, source: `environment ${name}`, fromText: true }
}

function set(root: Map<string, Node>, path: readonly string[], value: Leaf): void {
  let at = root
  for (const key of path.slice(0, -1)) {
    let next = at.get(key)
    if (!(next instanceof Map)) {
      next = new Map<string, Node>()
      at.set(key, next)
    }
    at = next as Map<string, Node>
  }
  const last = path.at(-1) ?? ''
  if (!(at.get(last) instanceof Map)) at.set(last, value)
}

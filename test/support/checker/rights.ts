import { maySee, type Event } from '../reference-rights.js'
import type { Phase, Shape, Token } from './history.js'

const UNKNOWN = 0
const YES = 1
const NO = 2

/** The oracle of who may see what: the contract's rules by the reference, asked once per token and shape. */
export class Rights {
  private readonly shapes: readonly Shape[]
  private readonly masterTenant: string
  private readonly tokens: ReadonlyMap<string, Token>
  private readonly verdicts = new Map<string, Uint8Array>()

  constructor(shapes: readonly Shape[], masterTenant: string, tokens: ReadonlyMap<string, Token>) {
    this.shapes = shapes
    this.masterTenant = masterTenant
    this.tokens = tokens
  }

  /** Whether a session in this phase gets events of that shape. */
  allows({ token, subscriptions }: Phase, shape: number): boolean {
    const { name } = this.shapes[shape]!
    return (subscriptions.includes('*') || subscriptions.includes(name)) && this.maySee(token, shape)
  }

  private maySee(token: string, shape: number): boolean {
    let verdicts = this.verdicts.get(token)
    if (verdicts === undefined) {
      verdicts = new Uint8Array(this.shapes.length)
      this.verdicts.set(token, verdicts)
    }
    if (verdicts[shape] === UNKNOWN) verdicts[shape] = this.judge(token, shape) ? YES : NO
    return verdicts[shape] === YES
  }

  private judge(token: string, shape: number): boolean {
    const holder = this.tokens.get(token)
    const facts = this.shapes[shape]!
    if (holder === undefined || facts.poison === true) return false
    const event: Event = {
      name: facts.name,
      tenant: facts.tenant,
      acl: facts.requiredAcl,
      everyone: facts.everyone,
      users: new Set(facts.users),
      deletedSession: undefined,
      body: '',
    }
    return maySee({ ...holder, utc_expires_at: '' }, event, this.masterTenant)
  }
}

/** The stand-in wazo-auth as the suite uses it: tokens on demand, and outages. */
import { connectAuth } from '../../support/auth.mjs'

type Control = Awaited<ReturnType<typeof connectAuth>>
type Mode = NonNullable<Parameters<Control['set']>[0]['mode']>

export type TokenDetails = Awaited<ReturnType<Control['mint']>>
export type MintOptions = NonNullable<Parameters<Control['mint']>[0]>
export type AuthRequests = Awaited<ReturnType<Control['requests']>>

/** A client of the stand-in's control API. */
export class AuthControl {
  readonly masterTenant: string
  readonly #control: Control

  private constructor(control: Control) {
    this.#control = control
    this.masterTenant = control.masterTenant
  }

  static async reach(url: string): Promise<AuthControl> {
    return new AuthControl(await connectAuth(url))
  }

  /** A new token; by default of a fresh user with every right. */
  mint(options: MintOptions = {}): Promise<TokenDetails> {
    return this.#control.mint({ acl: ['#'], ...options })
  }

  /** Deletes a token; no event is published about it. */
  async delete(token: string): Promise<void> {
    await this.#control.delete(token)
  }

  /** How look-ups of tokens fare from now on; `delayMs` comes before every answer. */
  async set(mode: Mode, delayMs = 0): Promise<void> {
    await this.#control.set({ mode, delayMs, only: 'lookups' })
  }

  /** Look-ups work again, and are counted from 0. */
  async reset(): Promise<void> {
    await this.#control.reset()
  }

  requests(): Promise<AuthRequests> {
    return this.#control.requests()
  }
}

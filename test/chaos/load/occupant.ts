import { setTimeout as sleep } from 'node:timers/promises'
import type { connectAuth } from '../../support/auth.mjs'
import type { Session } from '../../support/checker/history.js'
import { NAMES } from '../../support/scenario/catalogue.js'
import { expiryOf, now } from './clock.js'
import { insist } from './insist.js'
import type { Random } from '../../support/scenario/random.js'
import type { Seat } from '../../support/scenario/seats.js'
import type { PositionRead } from '../../support/scenario/recorder.js'
import { CUTS, Witness } from './witness.js'

type Auth = Awaited<ReturnType<typeof connectAuth>>
export type Minted = Awaited<ReturnType<Auth['mint']>>

/** What an occupant needs, and whom it tells. */
export interface Surroundings {
  readonly auth: Auth
  /** Addresses of the edge hosts; may change. */
  readonly urls: readonly string[]
  /** No new sessions, and no more changes to those there are. */
  readonly resting: boolean
  minted(token: Minted, expiresAt: number): void
  /** Asks for the deletion of a token. */
  revoke(token: Minted): void
  received(seat: Seat, id: number): void
  ended(session: Session): void
}

const LONG_LIFE_MS = 7_200_000
const STAY_MS = [4000, 30_000] as const
const SHORT_LIFE_MS = [8000, 30_000] as const
const LESSON_MS = [2000, 8000] as const
const UNCUT_MS = [500, 8000] as const
const FROZEN_MS = [500, 30_000] as const
const RENEWALS_MAX = 5
const RECONNECT_MS = [100, 1000] as const
const TICK_MS = 50
/** A token must not come to its end by itself while its deletion is tried. */
const CLOSES_THAT_END_TOKENS: readonly number[] = [4002, 4003]

/** Lives at a seat: one session after the other, until it may rest. */
export class Occupant {
  private readonly seat: Seat
  private readonly random: Random
  private readonly world: Surroundings
  private witness: Witness | null = null
  private reported: Witness | null = null
  private sessions = 0
  /** The last position that any of its sessions has read, of those that are cut. */
  private position: PositionRead | null = null

  constructor(seat: Seat, random: Random, world: Surroundings) {
    this.seat = seat
    this.random = random
    this.world = world
  }

  get started(): boolean {
    return this.witness !== null && this.witness.open && this.witness.started
  }

  async live(): Promise<void> {
    let token: Minted | null = null
    while (!this.world.resting) {
      token ??= await this.mint(this.seat.style === 'expires' ? SHORT_LIFE_MS : null)
      const witness = this.connect(token)
      if (await witness.opened) {
        this.witness = witness
        for (const name of this.seat.subscriptions) witness.subscribe(name)
        witness.start()
        await this.stay(witness, token)
        this.position = witness.position ?? this.position
        if (CLOSES_THAT_END_TOKENS.includes(witness.session.end?.code ?? 0)) token = null
        if (this.seat.style === 'renews') token = null
      }
      await sleep(this.random.between(...RECONNECT_MS))
    }
  }

  /** Closes what is still open. */
  async leave(): Promise<void> {
    if (this.witness === null) return
    if (this.witness.open) await this.witness.close()
    this.report(this.witness)
  }

  private connect(token: Minted): Witness {
    const { urls } = this.world
    const host = this.seat.host ?? Math.floor(this.random.next() * urls.length)
    return new Witness({
      url: urls[host]!,
      name: `${this.seat.name} session ${++this.sessions}`,
      host,
      version: this.seat.version,
      token,
      ...(this.seat.style === 'is cut' ? { resume: this.position } : {}),
      received: (id) => this.world.received(this.seat, id),
    })
  }

  /** Until the end of the session, or until all rest while it is open. */
  private async stay(witness: Witness, token: Minted): Promise<void> {
    switch (this.seat.style) {
      case 'visits':
        await this.wait(witness, this.random.between(...STAY_MS))
        if (!this.isOver(witness)) await witness.close()
        break
      case 'is revoked':
        await this.wait(witness, this.random.between(...STAY_MS))
        if (!this.isOver(witness) && witness.started) this.world.revoke(token)
        break
      case 'renews':
        await this.renew(witness)
        break
      case 'is cut':
        await this.wait(witness, this.random.between(...UNCUT_MS))
        if (!this.isOver(witness))
          await witness.cut(this.random.pick(CUTS), this.random.between(...FROZEN_MS))
        break
      case 'learns':
        await this.learn(witness)
        break
      case 'stays':
      case 'expires':
    }
    await this.wait(witness, Infinity)
    if (!witness.open) this.report(witness)
  }

  private report(witness: Witness): void {
    if (this.reported === witness) return
    this.reported = witness
    this.world.ended(witness.session)
  }

  private isOver(witness: Witness): boolean {
    return !witness.open || this.world.resting
  }

  private async renew(witness: Witness): Promise<void> {
    for (let times = 0; times < RENEWALS_MAX && !this.isOver(witness); times++) {
      const [min, max] = SHORT_LIFE_MS
      await this.wait(witness, this.random.between(min / 4, max / 2))
      if (this.isOver(witness) || !witness.started) return
      witness.renew(await this.mint(SHORT_LIFE_MS))
    }
    if (!this.isOver(witness)) await witness.close()
  }

  private async learn(witness: Witness): Promise<void> {
    for (const name of this.random.shuffle(NAMES)) {
      await this.wait(witness, this.random.between(...LESSON_MS))
      if (this.isOver(witness)) return
      witness.subscribe(name)
    }
    await witness.close()
  }

  private async mint(life: readonly [number, number] | null): Promise<Minted> {
    const { tenant, user, acl, admin, purpose } = this.seat
    const expiresInMs = Math.round(life === null ? LONG_LIFE_MS : this.random.between(...life))
    const token = await insist(() => this.world.auth.mint({ tenant, user, acl, admin, purpose, expiresInMs }))
    this.world.minted(token, expiryOf(token))
    return token
  }

  private async wait(witness: Witness, ms: number): Promise<void> {
    for (const until = now() + ms; !this.isOver(witness) && now() < until;) await sleep(TICK_MS)
  }
}

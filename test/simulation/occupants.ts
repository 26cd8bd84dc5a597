import type { Session } from '../support/checker/history.js'
import type { Catalogue } from '../support/scenario/catalogue.js'
import { NAMES } from '../support/scenario/catalogue.js'
import type { Random } from '../support/scenario/random.js'
import type { PositionRead } from '../support/scenario/recorder.js'
import type { Seat } from '../support/scenario/seats.js'
import type { WorkerProgram } from './programs.js'
import type { Scheduler } from './scheduler.js'
import { SessionClient } from './session-client.js'
import type { Daemons, Minted, TokenServer } from './wazo.js'

const LONG_LIFE_MS = 7_200_000
const STAY_MS = [4000, 30_000] as const
const SHORT_LIFE_MS = [8000, 30_000] as const
const LESSON_MS = [2000, 8000] as const
const UNCUT_MS = [500, 8000] as const
const FROZEN_MS = [0, 30_000] as const
const RECONNECT_MS = [100, 1000] as const
const RENEWALS_MAX = 5
const ENDS_OF_TOKENS: readonly number[] = [4002, 4003]

export interface OccupantWorld {
  readonly scheduler: Scheduler
  readonly tokens: TokenServer
  readonly daemons: Daemons
  readonly catalogue: Catalogue
  /** Workers that take connections, of one host or (null) of all. */
  readonly workers: (host: number | null) => readonly WorkerProgram[]
  /** No new sessions, and no more changes to those there are. */
  readonly resting: () => boolean
  readonly received: (seat: Seat, id: number) => void
}

/** Lives at a seat: one session after the other, until it may rest. */
export class Occupant {
  readonly sessions: Session[] = []
  /** How often its connection was cut, or its token deleted. */
  struck = 0
  readonly seat: Seat
  private readonly random: Random
  private readonly world: OccupantWorld
  private position: PositionRead | null = null
  private client: SessionClient | null = null

  constructor(seat: Seat, random: Random, world: OccupantWorld) {
    this.seat = seat
    this.random = random
    this.world = world
  }

  get started(): boolean {
    return this.client !== null && this.client.open && this.client.recorder.started
  }

  async live(): Promise<void> {
    const { scheduler, tokens, workers, resting, received } = this.world
    const { seat, random } = this
    let token: Minted | null = null
    while (!resting()) {
      await scheduler.sleep(random.between(...RECONNECT_MS))
      const choice = workers(seat.host)
      if (choice.length === 0) continue
      token ??= tokens.mint(seat, seat.style === 'expires' ? random.between(...SHORT_LIFE_MS) : LONG_LIFE_MS)
      const client = new SessionClient(scheduler, random, random.pick(choice), {
        ...{ name: `${seat.name} session ${this.sessions.length + 1}`, version: seat.version, token },
        ...(seat.style === 'is cut' ? { resume: this.position } : {}),
        received: (id) => received(seat, id),
      })
      this.client = client
      this.sessions.push(client.session)
      for (const name of seat.subscriptions) client.recorder.subscribe(name)
      client.recorder.start()
      await Promise.race([client.ended, this.stay(client, token)])
      if (client.open) return
      this.position = client.recorder.position ?? this.position
      if (seat.style === 'renews' || ENDS_OF_TOKENS.includes(client.session.end?.code ?? 0)) token = null
    }
  }

  /** Resolves when the occupant has done what it does, and the session is open while all rest. */
  private async stay(client: SessionClient, token: Minted): Promise<void> {
    const { random, world } = this
    switch (this.seat.style) {
      case 'visits':
        await this.wait(client, random.between(...STAY_MS))
        if (!this.isOver(client)) client.close()
        break
      case 'is revoked':
        await this.wait(client, random.between(...STAY_MS))
        if (!this.isOver(client) && client.recorder.started) this.revoke(token)
        break
      case 'is cut':
        await this.wait(client, random.between(...UNCUT_MS))
        if (this.isOver(client)) break
        this.struck++
        client.cut(random.between(...FROZEN_MS))
        break
      case 'renews':
        await this.renew(client)
        break
      case 'learns':
        for (const name of random.shuffle(NAMES)) {
          await this.wait(client, random.between(...LESSON_MS))
          if (this.isOver(client)) break
          client.recorder.subscribe(name)
        }
        if (!this.isOver(client)) client.close()
        break
      case 'stays':
      case 'expires':
    }
    while (client.open && !world.resting()) await world.scheduler.sleep(100)
  }

  private revoke(token: Minted): void {
    const { tokens, daemons, catalogue } = this.world
    if (tokens.tokens.get(token.session_uuid)?.deletedAt !== null) return
    this.struck++
    tokens.delete(token)
    daemons.publish(catalogue.revocation(this.seat.tenant, this.seat.user), token)
  }

  private async renew(client: SessionClient): Promise<void> {
    const { random, world } = this
    for (let times = 0; times < RENEWALS_MAX && !this.isOver(client); times++) {
      await this.wait(client, random.between(SHORT_LIFE_MS[0] / 4, SHORT_LIFE_MS[1] / 2))
      if (this.isOver(client) || !client.recorder.started) return
      client.recorder.renew(world.tokens.mint(this.seat, random.between(...SHORT_LIFE_MS)))
    }
    if (!this.isOver(client)) client.close()
  }

  private isOver(client: SessionClient): boolean {
    return !client.open || this.world.resting()
  }

  private async wait(client: SessionClient, ms: number): Promise<void> {
    const { scheduler } = this.world
    for (const until = scheduler.now + ms; !this.isOver(client) && scheduler.now < until;)
      await scheduler.sleep(100)
  }
}

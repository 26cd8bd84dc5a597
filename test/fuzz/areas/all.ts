import type { Area } from '../area.js'
import { auth } from './auth.js'
import { bus } from './bus.js'
import { config } from './config.js'
import { decisions } from './decisions.js'
import { envelopes } from './envelopes.js'
import { frames } from './frames.js'
import { ipc } from './ipc.js'

/** All areas; their inputs are of types of their own. */
const AREAS = [frames, bus, auth, envelopes, config, ipc, decisions] as readonly Area<unknown>[]

/** By name. */
export const areas: ReadonlyMap<string, Area<unknown>> = new Map(AREAS.map((area) => [area.name, area]))

/**
 * The Lua scripts over the tickets of one token (`ticketsKey`), a hash of JSON by ticket id:
 *
 * - `form`     of the ticket (docs/adr/0010): one of another form is neither read nor touched
 * - `state`    `draft` (its session is frozen until the token's other drafts are there), `agreed` (it reads on to where
 *   all of them end), `issued` (can be taken), `taken`
 * - `since`    when the state began: milliseconds of Redis's clock
 * - `at`       by partition `[epoch, offset]`, the offset in decimal
 * - `alone`    whether its session could not be brought to where the others ended
 * - `version`, `names`, `address`: what its session is recognised by
 * - `claim`    the taker's number
 *
 * Redis's own clock counts, so that hosts whose clocks differ agree.
 */
import { Script } from '@wazo-websocketd/shared/redis/script'
import { TICKET_FORM } from './ticket.js'

const COMMON = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function age(ticket) return now - tonumber(ticket.since) end
local function put(id, ticket) redis.call('HSET', KEYS[1], id, cjson.encode(ticket)) end
local function read(text)
  local known, ticket = pcall(cjson.decode, text)
  if known and type(ticket) == 'table' and ticket.form == ${TICKET_FORM} then return ticket end
end
local function all(history)
  local tickets, foreign, flat = {}, 0, redis.call('HGETALL', KEYS[1])
  for i = 1, #flat, 2 do
    local ticket = read(flat[i + 1])
    if not ticket then foreign = foreign + 1
    elseif age(ticket) > tonumber(history) then redis.call('HDEL', KEYS[1], flat[i])
    else tickets[flat[i]] = ticket end
  end
  return tickets, foreign
end
local function enter(id, ticket, state)
  ticket.state, ticket.since = state, string.format('%.0f', now)
  put(id, ticket)
end
`

/** Writes tickets in a state. ARGV: milliseconds for which they are kept, the state, then id and JSON of each. */
export const WRITE = new Script(`${COMMON}
for i = 3, #ARGV, 2 do enter(ARGV[i], cjson.decode(ARGV[i + 1]), ARGV[2]) end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
`)

/**
 * Tells where the sessions of these drafts are to end: at the furthest position of all sessions of the token that end
 * at the same time. Where others have ended before that position, and their clients are expected back any moment,
 * clients could not be told apart: then the drafts are withdrawn and have to wait.
 *
 * ARGV: history, how long other clients are expected, how long their drafts count (all in ms), `1` not to wait, then
 * ids. Answers `{id, partition, epoch, offset, ...}` per ticket, or nothing: wait.
 */
export const AGREE = new Script(`${COMMON}
local tickets, mine, furthest = all(ARGV[1]), {}, {}
for i = 5, #ARGV do mine[ARGV[i]] = tickets[ARGV[i]] end
local function raise(ticket)
  for partition, place in pairs(ticket.at) do
    local best = furthest[partition]
    if not best or (best[1] == place[1] and tonumber(best[2]) < tonumber(place[2])) then
      furthest[partition] = place
    end
  end
end
local function left(ticket)
  return (ticket.state == 'issued' or ticket.state == 'agreed') and not ticket.alone and age(ticket) < tonumber(ARGV[2])
end
for _, ticket in pairs(mine) do raise(ticket) end
for id, ticket in pairs(tickets) do
  if not mine[id] and ((ticket.state == 'draft' and age(ticket) < tonumber(ARGV[3])) or left(ticket)) then
    raise(ticket)
  end
end
local early = false
for id, ticket in pairs(tickets) do
  if not mine[id] and left(ticket) then
    for partition, place in pairs(ticket.at) do
      local best = furthest[partition]
      if best[1] == place[1] and tonumber(place[2]) < tonumber(best[2]) then early = true end
    end
  end
end
if early and ARGV[4] ~= '1' then
  for id in pairs(mine) do redis.call('HDEL', KEYS[1], id) end
  return {}
end
local answer = {}
for id, ticket in pairs(mine) do
  local row = {id}
  for partition, place in pairs(ticket.at) do
    local best = furthest[partition]
    if best[1] == place[1] then place = best end
    ticket.at[partition] = place
    row[#row + 1], row[#row + 2], row[#row + 3] = partition, place[1], place[2]
  end
  enter(id, ticket, 'agreed')
  answer[#answer + 1] = row
end
return answer
`)

/**
 * Takes the ticket that suits best: version, then event names, then address; of equal ones the latest. With the same
 * claim it takes the same again.
 *
 * ARGV: history in ms, claim, version, names, address. Answers `{id, partition, epoch, offset, ...}`, or how many
 * tickets there are of forms that are not known here.
 */
export const TAKE = new Script(`${COMMON}
local tickets, foreign = all(ARGV[1])
local bestId, best, most
for id, ticket in pairs(tickets) do
  if ticket.state == 'taken' and ticket.claim == ARGV[2] then
    bestId, best = id, ticket
    break
  end
  if ticket.state == 'issued' then
    local score = (ticket.version == ARGV[3] and 4 or 0) + (ticket.names == ARGV[4] and 2 or 0)
      + (ticket.address == ARGV[5] and 1 or 0)
    if not best or score > most or (score == most and age(ticket) < age(best)) then
      bestId, best, most = id, ticket, score
    end
  end
end
if not best then return foreign end
if best.state == 'issued' then
  best.state, best.claim = 'taken', ARGV[2]
  put(bestId, best)
end
local row = {bestId}
for partition, place in pairs(best.at) do
  row[#row + 1], row[#row + 2], row[#row + 3] = partition, place[1], place[2]
end
return row
`)

/** Issues a ticket again that was taken in vain, for the rest of its time. ARGV: id. */
export const RESTORE = new Script(`${COMMON}
local text = redis.call('HGET', KEYS[1], ARGV[1])
if not text then return 0 end
local ticket = read(text)
if not ticket or ticket.state ~= 'taken' then return 0 end
ticket.state, ticket.claim = 'issued', nil
put(ARGV[1], ticket)
return 1
`)

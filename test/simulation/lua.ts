/** Runs the project's Lua scripts as Redis does: one at a time, with `KEYS`, `ARGV`, `redis` and `cjson`. */
import { lauxlib, lua, lualib, to_luastring, type LuaState } from 'fengari'

export type Argument = string | number | Buffer
/** An answer as ioredis gives it to `callBuffer`. */
export type Reply = Buffer | number | null | readonly Reply[]
/** Runs one command. @throws ReplyError */
export type Call = (command: string, args: readonly Argument[]) => Reply

/** Says that the server refuses a command, in Redis's words. */
export class ReplyError extends Error {
  override name = 'ReplyError'
}

type Value = undefined | boolean | number | string | Uint8Array | readonly Value[] | { [key: string]: Value }

const DIGITS = 17

/** The Lua interpreter of one server. */
export class LuaInterpreter {
  private readonly state: LuaState
  /** References to the compiled scripts, by their source. */
  private readonly compiled = new Map<string, number>()
  private call: Call = () => null

  constructor() {
    const state = (this.state = lauxlib.luaL_newstate())
    lualib.luaL_openlibs(state)
    this.library('redis', { call: (args) => this.command(args), pcall: (args) => this.tried(args) })
    this.library('cjson', {
      encode: ([value]) => JSON.stringify(value, textOfBytes),
      decode: ([text]) => JSON.parse(textOf(text)) as Value,
    })
  }

  /** @throws ReplyError with what the script answers or raises as an error. */
  run(source: string, keys: readonly Argument[], args: readonly Argument[], call: Call): Reply {
    const { state } = this
    this.call = call
    lua.lua_settop(state, 0)
    this.push(keys.map(bytesOf))
    lua.lua_setglobal(state, to_luastring('KEYS'))
    this.push(args.map(bytesOf))
    lua.lua_setglobal(state, to_luastring('ARGV'))
    lua.lua_rawgeti(state, lua.LUA_REGISTRYINDEX, this.reference(source))
    const failed = lua.lua_pcall(state, 0, 1, 0) !== lua.LUA_OK
    const answer = this.value(-1)
    if (failed) throw new ReplyError(isTable(answer) ? textOf(answer['err']) : `ERR ${textOf(answer)}`)
    return replyOf(answer)
  }

  private reference(source: string): number {
    const known = this.compiled.get(source)
    if (known !== undefined) return known
    const { state } = this
    const text = to_luastring(source)
    if (lauxlib.luaL_loadbuffer(state, text, text.length, to_luastring('@user_script')) !== lua.LUA_OK)
      throw new ReplyError(`ERR Error compiling script: ${textOf(this.value(-1))}`)
    const reference = lauxlib.luaL_ref(state, lua.LUA_REGISTRYINDEX)
    this.compiled.set(source, reference)
    return reference
  }

  private library(name: string, functions: Record<string, (args: readonly Value[]) => Value>): void {
    const { state } = this
    lua.lua_newtable(state)
    for (const [key, run] of Object.entries(functions)) {
      lua.lua_pushjsfunction(state, (inner: LuaState) => {
        const args = Array.from({ length: lua.lua_gettop(inner) }, (_, i) => this.value(i + 1, inner))
        let answer: Value
        try {
          answer = run(args)
        } catch (error) {
          this.push({ err: error instanceof Error ? error.message : String(error) }, inner)
          return lua.lua_error(inner)
        }
        this.push(answer, inner)
        return 1
      })
      lua.lua_setfield(state, -2, to_luastring(key))
    }
    lua.lua_setglobal(state, to_luastring(name))
  }

  private command([name, ...args]: readonly Value[]): Value {
    const command = textOf(name).toUpperCase()
    const reply = this.call(command, args.map(argumentOf))
    // This Lua computes with integers of 32 bits, in which milliseconds do not fit; with a fraction it is floats, as in Redis.
    if (command === 'TIME') return (reply as Buffer[]).map((part) => `${part.toString()}.0`)
    return valueOf(reply)
  }

  private tried(args: readonly Value[]): Value {
    try {
      return this.command(args)
    } catch (error) {
      if (error instanceof ReplyError) return { err: error.message }
      throw error
    }
  }

  private push(value: Value, state = this.state): void {
    if (value === undefined) lua.lua_pushnil(state)
    else if (typeof value === 'boolean') lua.lua_pushboolean(state, value)
    else if (typeof value === 'number') pushNumber(state, value)
    else if (typeof value === 'string') lua.lua_pushstring(state, to_luastring(value))
    else if (value instanceof Uint8Array) lua.lua_pushlstring(state, value, value.length)
    else {
      lua.lua_newtable(state)
      if (Array.isArray(value))
        for (const [i, each] of (value as readonly Value[]).entries()) {
          this.push(each, state)
          lua.lua_rawseti(state, -2, i + 1)
        }
      else
        for (const [key, each] of Object.entries(value)) {
          this.push(each, state)
          lua.lua_setfield(state, -2, to_luastring(key))
        }
    }
  }

  /** What stands at `index`; texts are bytes, and a table with a first element is an array. */
  private value(index: number, state = this.state): Value {
    switch (lua.lua_type(state, index)) {
      case lua.LUA_TBOOLEAN:
        return lua.lua_toboolean(state, index)
      case lua.LUA_TNUMBER:
        return lua.lua_tonumber(state, index)
      case lua.LUA_TSTRING:
        return lua.lua_tostring(state, index)
      case lua.LUA_TTABLE:
        return this.table(lua.lua_absindex(state, index), state)
      default:
        return undefined
    }
  }

  private table(index: number, state: LuaState): Value {
    const length = lauxlib.luaL_len(state, index)
    if (length > 0)
      return Array.from({ length }, (_, i) => {
        lua.lua_rawgeti(state, index, i + 1)
        const value = this.value(-1, state)
        lua.lua_pop(state, 1)
        return value
      })
    const fields: Record<string, Value> = {}
    lua.lua_pushnil(state)
    while (lua.lua_next(state, index) !== 0) {
      const key = this.value(-2, state)
      fields[typeof key === 'number' ? String(key) : textOf(key)] = this.value(-1, state)
      lua.lua_pop(state, 1)
    }
    return fields
  }
}

/** Redis's Lua knows no integers: what has no fraction is one here, and prints as there. */
function pushNumber(state: LuaState, value: number): void {
  if (Number.isSafeInteger(value) && Math.abs(value) < 2 ** 31) lua.lua_pushinteger(state, value)
  else lua.lua_pushnumber(state, value)
}

const isTable = (value: Value): value is { [key: string]: Value } =>
  typeof value === 'object' && !Array.isArray(value) && !(value instanceof Uint8Array)

function bytesOf(argument: Argument): Uint8Array {
  return Buffer.isBuffer(argument) ? argument : Buffer.from(String(argument))
}

function textOf(value: Value): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString()
  if (typeof value === 'object') throw new TypeError('a table where a text has to be')
  return String(value)
}

function textOfBytes(_: string, value: Value): Value {
  return value instanceof Uint8Array ? textOf(value) : value
}

function argumentOf(value: Value): Argument {
  if (value instanceof Uint8Array) return Buffer.from(value)
  if (typeof value === 'number') return value.toPrecision(DIGITS).replace(/\.?0+$/, '')
  throw new ReplyError('ERR Lua redis lib command arguments must be strings or integers')
}

/** As redis.call converts an answer. */
function valueOf(reply: Reply): Value {
  if (reply === null) return false
  if (typeof reply === 'number' || Buffer.isBuffer(reply)) return reply
  return reply.map(valueOf)
}

/** As Redis converts what a script returns. @throws ReplyError */
function replyOf(value: Value): Reply {
  if (value === undefined || value === false) return null
  if (value === true) return 1
  if (typeof value === 'number') return Math.trunc(value)
  if (typeof value === 'string') return Buffer.from(value)
  if (value instanceof Uint8Array) return Buffer.from(value)
  if (!isTable(value)) return value.map(replyOf)
  if (value['err'] !== undefined) throw new ReplyError(textOf(value['err']))
  return []
}

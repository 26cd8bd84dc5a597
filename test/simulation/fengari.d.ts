/** What the simulation uses of fengari, a Lua interpreter that comes without types. */
declare module 'fengari' {
  export interface LuaState {
    readonly brand: unique symbol
  }
  export const lua: {
    readonly LUA_OK: number
    readonly LUA_REGISTRYINDEX: number
    readonly LUA_TBOOLEAN: number
    readonly LUA_TNUMBER: number
    readonly LUA_TSTRING: number
    readonly LUA_TTABLE: number
    lua_absindex(state: LuaState, index: number): number
    lua_error(state: LuaState): number
    lua_gettop(state: LuaState): number
    lua_newtable(state: LuaState): void
    lua_next(state: LuaState, index: number): number
    lua_pcall(state: LuaState, args: number, results: number, handler: number): number
    lua_pop(state: LuaState, count: number): void
    lua_pushboolean(state: LuaState, value: boolean): void
    lua_pushinteger(state: LuaState, value: number): void
    lua_pushjsfunction(state: LuaState, run: (state: LuaState) => number): void
    lua_pushlstring(state: LuaState, value: Uint8Array, length: number): void
    lua_pushnil(state: LuaState): void
    lua_pushnumber(state: LuaState, value: number): void
    lua_pushstring(state: LuaState, value: Uint8Array): void
    lua_rawgeti(state: LuaState, index: number, n: number): number
    lua_rawseti(state: LuaState, index: number, n: number): void
    lua_setfield(state: LuaState, index: number, name: Uint8Array): void
    lua_setglobal(state: LuaState, name: Uint8Array): void
    lua_settop(state: LuaState, index: number): void
    lua_toboolean(state: LuaState, index: number): boolean
    lua_tonumber(state: LuaState, index: number): number
    lua_tostring(state: LuaState, index: number): Uint8Array
    lua_type(state: LuaState, index: number): number
  }
  export const lauxlib: {
    luaL_len(state: LuaState, index: number): number
    luaL_loadbuffer(state: LuaState, text: Uint8Array, length: number, name: Uint8Array): number
    luaL_newstate(): LuaState
    luaL_ref(state: LuaState, index: number): number
  }
  export const lualib: { luaL_openlibs(state: LuaState): void }
  export function to_luastring(text: string): Uint8Array
}

/** What a `redis.url` says. */
const MASK = '********'

/** The number of the database that a `redis.url` names as its path, 0 without one; NaN when it is no number. */
export function redisDatabase(url: string): number {
  const { pathname, searchParams } = new URL(url)
  if (searchParams.has('db')) return NaN // ioredis would believe it
  const path = pathname.replace(/^\//, '')
  return path === '' ? 0 : /^\d{1,9}$/.test(path) ? Number(path) : NaN
}

/** The same url with its password masked. */
export function maskedUrl(url: string): string {
  if (!URL.canParse(url)) return MASK
  const { protocol, username, password, host, pathname, search } = new URL(url)
  const user = password === '' ? username : `${username}:${MASK}`
  return `${protocol}//${user === '' ? '' : `${user}@`}${host}${pathname}${search === '' ? '' : `?${MASK}`}`
}

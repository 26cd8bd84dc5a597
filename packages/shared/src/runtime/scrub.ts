/** The last line of defence: no token or password leaves in a line of the log, wherever it came from. */

const MASK = '********'
const SECRET_NAMES = 'token|x-auth-token|authorization|password|service_key'

const RULES: readonly (readonly [RegExp, string])[] = [
  // ?token=... in urls, also percent-encoded as part of another url
  [/((?:[?&]|%3F|%26)(?:token|x-auth-token)(?:=|%3D))[^&\s"'\\#%]+/gi, `$1${MASK}`],
  // wazo-auth's resource
  [/(\/token\/)[A-Za-z0-9._~%-]+/g, `$1${MASK}`],
  // user:password@ in urls
  [/([a-z][a-z0-9+.-]*:\/\/[^\s/:@"]*):[^\s/@"]+@/gi, `$1:${MASK}@`],
  // "token":"..." at any depth
  [new RegExp(`("(?:${SECRET_NAMES})"\\s*:\\s*)"(?:[^"\\\\]|\\\\.)*"`, 'gi'), `$1"${MASK}"`],
  // the same inside a string that is JSON itself
  [new RegExp(`(\\\\+"(?:${SECRET_NAMES})\\\\+"\\s*:\\s*\\\\+")[^"\\\\]*`, 'gi'), `$1${MASK}`],
  // raw headers
  [/((?:x-auth-token|authorization)\s*:\s*)(?:(?:basic|bearer)\s+)?[^\s",\\]+/gi, `$1${MASK}`],
]

/** The line without the secrets it names. */
export function scrub(line: string): string {
  return RULES.reduce((text, [pattern, replacement]) => text.replace(pattern, replacement), line)
}

/** What the matcher is judged by: patterns turned into regular expressions, one independent rule after the other. */

export interface Case {
  readonly patterns: readonly string[]
  readonly text: string
  readonly user: string
  readonly session: string
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
}

/** The regular expression of one pattern without its `!`. */
export function expressionOf(pattern: string, user: string, session: string): RegExp {
  const words = pattern.split('.').map((word) => {
    if (word === 'me') return `(?:me|${escaped(user)})`
    if (word === 'my_session') return `(?:my_session|${escaped(session)})`
    if (word === 'edit') return '(?:edit|update)'
    return Array.from(word)
      .map((c) => (c === '*' ? '[^.#]*' : c === '#' ? '[^]*' : escaped(c)))
      .join('')
  })
  return new RegExp(`^(?:${words.join('\\.')})$`, 'u')
}

/** `denied`: by a `!` pattern; `allowed`: by another one; `no`: by none. */
export function judge({ patterns, text, user, session }: Case): 'denied' | 'allowed' | 'no' {
  const fits = (pattern: string) => expressionOf(pattern, user, session).test(text)
  if (patterns.some((p) => p.startsWith('!') && fits(p.slice(1)))) return 'denied'
  return patterns.some((p) => !p.startsWith('!') && fits(p)) ? 'allowed' : 'no'
}

/** Finds a secret in texts, however it may have been written. */

/** Texts by where they come from. */
export type Sources = ReadonlyMap<string, string>

/** Finds `secret` in clear, percent-encoded, escaped as in JSON or by Redis, in hexadecimal and in base64: where, and how. */
export class SecretSearch {
  private readonly views: { readonly source: string; readonly how: string; readonly text: string }[]
  private readonly sources: Sources

  constructor(sources: Sources) {
    this.sources = sources
    this.views = [...sources].flatMap(([source, text]) => {
      const read = { source, how: 'read', text: text.toLowerCase() }
      const decoded = { source, how: 'percent-decoded', text: percentDecoded(text).toLowerCase() }
      const unescaped = { source, how: 'unescaped', text: percentDecoded(unescape(text)).toLowerCase() }
      return [read, decoded, unescaped]
    })
  }

  /** Each source once, with the plainest way to find it there. */
  find(secret: string): string[] {
    const found = new Map<string, string>()
    const note = (source: string, how: string): void => {
      if (!found.has(source)) found.set(source, how)
    }
    const needle = latin1(secret).toLowerCase()
    const hex = Buffer.from(secret).toString('hex')
    for (const { source, how, text } of this.views) {
      if (text.includes(needle)) note(source, how)
      if (text.includes(hex)) note(source, 'hexadecimal')
    }
    const forms = base64Forms(secret)
    for (const [source, text] of this.sources)
      if (forms.some((form) => text.includes(form))) note(source, 'base64')
    return [...found].map(([source, how]) => `${source} (${how})`).sort()
  }

  /** The same for several, by the secret. */
  findAll(secrets: Iterable<string>): string[] {
    return [...secrets].flatMap((secret) => this.find(secret).map((where) => `${secret}: ${where}`))
  }
}

/** As the bytes of its UTF-8 are read one by one. */
export function latin1(text: string): string {
  return Buffer.from(text).toString('latin1')
}

function percentDecoded(text: string): string {
  return text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => character(hex))
}

/** Also what was escaped more than once. */
function unescape(text: string): string {
  return text
    .replace(/\\+u00([0-9a-f]{2})|\\+x([0-9a-f]{2})/gi, (_, unicode?: string, hex?: string) =>
      character(unicode ?? hex ?? ''),
    )
    .replace(/\\+(["/])/g, '$1')
}

function character(hex: string): string {
  return String.fromCharCode(parseInt(hex, 16))
}

/** What stays the same of its base64 whatever stands before and after it: three ways to lie among groups of three bytes. */
function base64Forms(secret: string): string[] {
  const forms = [0, 1, 2].flatMap((before) => {
    const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(secret)])
    const whole = Math.floor((bytes.length * 8) / 6)
    const from = Math.ceil((before * 8) / 6)
    return [bytes.toString('base64').slice(from, whole), bytes.toString('base64url').slice(from, whole)]
  })
  return [...new Set(forms)]
}

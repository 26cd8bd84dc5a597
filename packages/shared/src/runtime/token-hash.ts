import { hash } from 'node:crypto'

declare const brand: unique symbol
/** SHA-256 of a token in 64 hex digits: stands for the token wherever the token itself must not be. */
export type TokenHash = string & { readonly [brand]: 'TokenHash' }

const TAG_DIGITS = 8

/** The hash of a token. */
export function hashToken(token: string): TokenHash {
  return hash('sha256', token, 'hex') as TokenHash
}

/** The first 8 hex digits of a token's hash: what logs show of the token. */
export function hashTag(hash: TokenHash): string {
  return hash.slice(0, TAG_DIGITS)
}

/** `limits.acl_*`: how large the ACL of a token may be. */
export interface AclLimits {
  readonly patternsMax: number
  /** UTF-8 bytes of one pattern. */
  readonly patternBytesMax: number
}

/**
 * Names the limit that `acl` exceeds, or null. A larger ACL is refused as a whole: cutting it could lose a
 * `!` and so widen rights.
 */
export function aclExcess(
  acl: readonly string[],
  { patternsMax, patternBytesMax }: AclLimits,
): string | null {
  if (acl.length > patternsMax) return `ACL of more than ${patternsMax} patterns`
  for (const pattern of acl) {
    // A UTF-16 unit has at most three bytes: most patterns need no counting.
    if (pattern.length * 3 <= patternBytesMax) continue
    if (Buffer.byteLength(pattern) > patternBytesMax)
      return `ACL pattern of more than ${patternBytesMax} bytes`
  }
  return null
}

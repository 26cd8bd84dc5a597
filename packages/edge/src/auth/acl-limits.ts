/** Patterns of one token. */
export const ACL_PATTERNS_MAX = 5_000
/** UTF-8 bytes of one pattern. */
export const ACL_PATTERN_MAX_BYTES = 512

/**
 * Names the limit that `acl` exceeds, or null. A larger ACL is refused as a whole: cutting it could lose a
 * `!` and so widen rights.
 */
export function aclExcess(acl: readonly string[]): string | null {
  if (acl.length > ACL_PATTERNS_MAX) return `ACL of more than ${ACL_PATTERNS_MAX} patterns`
  for (const pattern of acl) {
    // A UTF-16 unit has at most three bytes: most patterns need no counting.
    if (pattern.length * 3 <= ACL_PATTERN_MAX_BYTES) continue
    if (Buffer.byteLength(pattern) > ACL_PATTERN_MAX_BYTES)
      return `ACL pattern of more than ${ACL_PATTERN_MAX_BYTES} bytes`
  }
  return null
}

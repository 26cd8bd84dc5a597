/**
 * Whether a browser's page may connect. Without an allow-list every origin may; a client that names no
 * origin is no browser, and always may. Comparison is exact, but for case.
 */
export class OriginPolicy {
  private readonly allowed: ReadonlySet<string> | null

  constructor(allowedOrigins: readonly string[] | null) {
    this.allowed = allowedOrigins === null ? null : new Set(allowedOrigins.map(normalised))
  }

  permits(origin: string | undefined): boolean {
    return this.allowed === null || origin === undefined || this.allowed.has(normalised(origin))
  }
}

function normalised(origin: string): string {
  return origin.trim().toLowerCase().replace(/\/$/, '')
}

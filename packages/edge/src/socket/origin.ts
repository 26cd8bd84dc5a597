/**
 * Decides whether a browser's page may connect. Without an allow-list every origin may (C1.12); a client that names no
 * origin is no browser, and always may (C1.11). Comparison is exact, but for case.
 */
export class OriginPolicy {
  private readonly allowed: ReadonlySet<string> | null

  constructor(allowedOrigins: readonly string[] | null) {
    this.allowed = allowedOrigins === null ? null : new Set(allowedOrigins.map(normalisedOrigin))
  }

  permits(origin: string | undefined): boolean {
    return this.allowed === null || origin === undefined || this.allowed.has(normalisedOrigin(origin))
  }
}

function normalisedOrigin(origin: string): string {
  return origin.trim().toLowerCase().replace(/\/$/, '')
}

/** The rule of the contract's section 4 that kept an event from a session, in the order of judgement. */
export type FilterReason = 'tenant' | 'user' | 'name' | 'acl'

/** What the router counts. Called a few times per event, never per delivery. */
export interface RouteMetrics {
  /** An event was routed. One that is here only to end a session is not counted. */
  received(): void
  /**
   * The event was kept from `sessions`. Each registered session that does not get an event counts once, under
   * the first rule that it fails; so delivered + filtered = registered sessions, for every event.
   * (A session that is removed by another's delivery of the same event counts under `name`.)
   */
  filtered(reason: FilterReason, sessions: number): void
  /** `decisions` about ACLs could be neither shared nor remembered. */
  aclEvaluated(decisions: number): void
}

/** Room for decisions, in characters of their keys; some 16 MB. */
const DECISION_MEMO_CHARACTERS_MAX = 8_388_608
/** What an entry costs beside its key, in characters. */
const ENTRY_CHARACTERS = 64

/**
 * Remembers decisions by key, at least those used lately, in bounded memory. When one half of the room is full, it
 * becomes the older half, and the older half before it is forgotten; a decision that is asked for moves to the
 * younger.
 */
export class DecisionMemo {
  private readonly halfCharacters: number
  private young = new Map<string, boolean>()
  private old = new Map<string, boolean>()
  private characters = 0

  constructor(charactersMax = DECISION_MEMO_CHARACTERS_MAX) {
    this.halfCharacters = Math.floor(charactersMax / 2)
  }

  get size(): number {
    return this.young.size + this.old.size
  }

  get(key: string): boolean | undefined {
    const known = this.young.get(key)
    if (known !== undefined) return known
    const older = this.old.get(key)
    if (older !== undefined) {
      this.old.delete(key)
      this.set(key, older)
    }
    return older
  }

  /** Remembers a decision that `get` did not know. A key that is longer than half the room is not kept. */
  set(key: string, decision: boolean): void {
    const cost = key.length + ENTRY_CHARACTERS
    if (cost > this.halfCharacters) return
    if (this.characters + cost > this.halfCharacters) {
      this.old = this.young
      this.young = new Map()
      this.characters = 0
    }
    this.young.set(key, decision)
    this.characters += cost
  }
}

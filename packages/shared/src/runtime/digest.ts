import { hash } from 'node:crypto'

/** The SHA-256 of a text, in base64. Different texts have different digests, whoever chose them. */
export function digest(text: string): string {
  return hash('sha256', text, 'base64')
}

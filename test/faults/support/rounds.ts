/** How often a fault is repeated: `ROUNDS` in the environment, or so often. */
export function rounds(usually: number): number {
  return Number(process.env['ROUNDS'] ?? usually)
}

/** The greatest number of moments, in milliseconds, within one second. */
export function busiestSecond(moments: readonly number[]): number {
  const sorted = [...moments].sort((a, b) => a - b)
  let [most, first] = [0, 0]
  sorted.forEach((at, i) => {
    while (at - sorted[first]! >= 1000) first++
    most = Math.max(most, i - first + 1)
  })
  return most
}

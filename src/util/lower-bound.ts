// SPDX-License-Identifier: GPL-2.0-or-later

/** The first of `count` numbers for which a predicate that turns from true to false is false. */
export function lowerBound(count: number, below: (i: number) => boolean): number {
  let low = 0
  let high = count
  while (low < high) {
    const middle = (low + high) >>> 1
    if (below(middle)) low = middle + 1
    else high = middle
  }
  return low
}

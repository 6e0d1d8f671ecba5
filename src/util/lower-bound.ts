// SPDX-License-Identifier: GPL-2.0-or-later

/**
 * Returns the first of the numbers 0 to `count` - 1 for which `below` is false; `count` if there is none. `below` must be true up
 * to some number and false from there on.
 */
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

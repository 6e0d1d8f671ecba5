// SPDX-License-Identifier: GPL-2.0-or-later

/** How well a get and a put go together, more for what says more: as many units, the same kind of mapping, the same task. */
export function likeness(isWhole: boolean, isSameMapping: boolean, isSameTask: boolean): number {
  return (isWhole ? 4 : 0) + (isSameMapping ? 2 : 0) + (isSameTask ? 1 : 0)
}

// SPDX-License-Identifier: GPL-2.0-or-later

/**
 * Returns how well a get and a put match; larger is better. The criteria weigh in this order: the same number of references, both
 * or neither by a page table, the same task.
 */
export function likeness(isWhole: boolean, isSameMapping: boolean, isSameTask: boolean): number {
  return (isWhole ? 4 : 0) + (isSameMapping ? 2 : 0) + (isSameTask ? 1 : 0)
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** There is an idle task of number 0 for each CPU: what interrupts do in its name on one CPU is in no order with another's. */

export interface Place {
  pid: number
  cpu: number
}

/** True if both are of one task. */
export function isSameTask(a: Place, b: Place): boolean {
  return a.pid === b.pid && (a.pid > 0 || a.cpu === b.cpu)
}

/** Returns a number that two places have in common where they are of one task. */
export function taskOf({ pid, cpu }: Place): number {
  return pid > 0 ? pid : -cpu
}

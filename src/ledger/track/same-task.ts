// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Compares the tasks of events. Each CPU has an idle task of its own with pid 0, so events with pid 0 are of one task only if
 * they have the same CPU, too.
 */

export interface Place {
  pid: number
  cpu: number
}

/** True if both events are of the same task. */
export function isSameTask(a: Place, b: Place): boolean {
  return a.pid === b.pid && (a.pid > 0 || a.cpu === b.cpu)
}

/** Returns a number that is equal for two events exactly if they are of the same task. */
export function taskOf({ pid, cpu }: Place): number {
  return pid > 0 ? pid : -cpu
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** The exit codes of all commands follow one rule, so that a script can rely on 0. */

/**
 * - `CLEAN`: all of the input was judged, and nothing was found (`check`: holds).
 * - `FOUND`: something was found, whether or not more may be missed.
 * - `UNUSABLE`: usage, or an input that cannot be used; nothing is known.
 * - `INCOMPLETE`: nothing was found, but something may be missed: damage, lost events, no event at all, a limit that was met.
 */
export const Exit = { CLEAN: 0, FOUND: 1, UNUSABLE: 2, INCOMPLETE: 3 } as const
export type Exit = (typeof Exit)[keyof typeof Exit]

/** The exit code for several results: `FOUND` takes precedence over `UNUSABLE`, and that over `INCOMPLETE`. */
export function exitOf(codes: readonly Exit[]): Exit {
  const first = [Exit.FOUND, Exit.UNUSABLE, Exit.INCOMPLETE].find(code => codes.includes(code))
  return first ?? Exit.CLEAN
}

/** The exit code for one result. */
export function exitFor({ found, complete }: { found: boolean; complete: boolean }): Exit {
  if (found) return Exit.FOUND
  return complete ? Exit.CLEAN : Exit.INCOMPLETE
}

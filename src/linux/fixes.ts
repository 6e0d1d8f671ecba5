// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Changes to the kernel that mended a bug without changing the protocol. A system has all of them unless it reverts some:
 * so a protocol is judged by its own merits, and a bug by the one change that mended it.
 */
export const fixes = {
  fault_takes_reference: {
    commit: '16ce101db85d',
    subject: 'mm/memory.c: fix race when faulting a device private page',
    since: '6.1',
  },
  fault_trylocks: {
    commit: '1afaeb8293c9',
    subject: 'mm/migrate: Trylock device page in do_swap_page',
    since: '6.15',
  },
  wait_takes_no_reference: {
    commit: 'ffa65753c431',
    subject: 'mm/migrate.c: rework migration_entry_wait() to not take a pageref',
    since: '5.17',
  },
} as const

export type Fix = keyof typeof fixes
export const all_fixes = Object.keys(fixes) as Fix[]

// SPDX-License-Identifier: GPL-2.0-or-later
/** Says at the end of a run what was skipped and for want of what, so that nobody takes a part of the tests for all of them. */
import type { Reporter, TestModule } from 'vitest/node'

export class Skips implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const byReason = new Map<string, string[]>()
    for (const module of modules) {
      for (const test of module.children.allTests('skipped')) {
        const result = test.result()
        // Tests that were not asked for (`-t`) have no reason.
        if (result.state !== 'skipped' || result.note === undefined) continue
        byReason.set(result.note, [
          ...(byReason.get(result.note) ?? []),
          `${module.relativeModuleId} > ${test.fullName}`,
        ])
      }
    }
    for (const [reason, tests] of byReason) console.log([`skipped: ${reason}`, ...tests, ''].join('\n  ').trimEnd())
  }
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** A row of the corpus: one system in two forms, which differ by what mended the bug. */
import type { Driver } from '../driver.ts'
import { properties } from '../properties.ts'
import type { Scenario } from '../scenario/build.ts'
import type { Fix } from '../scenario/fixes.ts'
import type { Protocol } from '../types.ts'
import { type Confirmed, confirmed } from './confirmed.ts'

export interface Bug {
  /** Row of the corpus: a number for known bugs, `new-...` for what the model found. */
  readonly id: string
  readonly title: string
  /** What goes wrong, as the counterexample must show it. */
  readonly mechanism: string
  /** How sure it is that a kernel does this. */
  readonly confirmed: Confirmed
  /** What the broken form is checked for: it must break one of these. */
  readonly breaks: readonly string[]
  /** What the fixed form is checked for: by default everything. */
  readonly keeps: readonly string[]
  readonly broken: Scenario
  readonly fixed: Scenario
}

interface Row {
  driver: Driver
  /** Of both forms, or of each. */
  protocol: Protocol | readonly [broken: Protocol, fixed: Protocol]
  threads?: Readonly<Record<string, number>>
  pages?: number
  vas?: number
  /** Left out in the broken form only. */
  without?: Fix
  /** Added in the broken form only. */
  brokenAdds?: Fix
  /** Added in the fixed form only. */
  with?: Fix
  /** Left out in both forms. */
  reverts?: readonly Fix[]
  /** What the fixed form keeps, if not everything. */
  keeps?: readonly string[]
  /** Added in both forms. */
  adds?: readonly Fix[]
}

/** Both forms of a row. */
export function bug(id: string, title: string, mechanism: string, breaks: readonly string[], row: Row): Bug {
  const [broken, fixed] = Array.isArray(row.protocol) ? row.protocol : [row.protocol, row.protocol]
  const of = (protocol: Protocol, form: string, reverts: readonly Fix[], adds: readonly Fix[]): Scenario => ({
    name: `bug ${id}, ${form}`,
    driver: row.driver,
    protocol,
    pages: row.pages ?? 1,
    vas: row.vas ?? 1,
    ...(row.threads ? { threads: row.threads } : {}),
    reverts: [...(row.reverts ?? []), ...reverts],
    adds: [...(row.adds ?? []), ...adds],
  })
  return {
    id,
    title,
    mechanism,
    confirmed: confirmed[id]!,
    breaks,
    keeps: row.keeps ?? Object.keys(properties),
    broken: of(broken, 'broken', row.without ? [row.without] : [], row.brokenAdds ? [row.brokenAdds] : []),
    fixed: of(fixed, 'fixed', [], row.with ? [row.with] : []),
  }
}

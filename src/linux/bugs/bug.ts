// SPDX-License-Identifier: GPL-2.0-or-later
/** A row of the corpus: one system in a broken and a fixed form, which differ by the change that fixed the bug. */
import type { Driver } from '../driver.ts'
import { properties } from '../properties.ts'
import type { Scenario } from '../scenario/build.ts'
import type { Fix } from '../scenario/fixes.ts'
import type { Protocol } from '../types.ts'
import { type Confirmed, confirmed } from './confirmed.ts'

export interface Bug {
  /** Id of the row: a number for known bugs, `new-...` for bugs that the model found. */
  readonly id: string
  readonly title: string
  /** What goes wrong, as the counterexample must show it. */
  readonly mechanism: string
  /** The evidence that a kernel has this bug. */
  readonly confirmed: Confirmed
  /** Properties for which the broken form is checked: it must violate one of them. */
  readonly breaks: readonly string[]
  /** Properties for which the fixed form is checked, by default all: it must violate none. */
  readonly keeps: readonly string[]
  readonly broken: Scenario
  readonly fixed: Scenario
}

interface Row {
  driver: Driver
  /** The protocol of both forms, or of each. */
  protocol: Protocol | readonly [broken: Protocol, fixed: Protocol]
  threads?: Readonly<Record<string, number>>
  pages?: number
  vas?: number
  /** A merged change that only the broken form does not have. */
  without?: Fix
  /** A change that only the broken form has. */
  brokenAdds?: Fix
  /** A proposed change that only the fixed form has. */
  with?: Fix
  /** Merged changes that neither form has. */
  reverts?: readonly Fix[]
  /** Properties for which the fixed form is checked; all if omitted. */
  keeps?: readonly string[]
  /** Proposed changes that both forms have. */
  adds?: readonly Fix[]
}

/** Builds a row of the corpus with both of its forms. */
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

// SPDX-License-Identifier: GPL-2.0-or-later
/** Accounts and findings put together by hand, for tests of what is made of them. */
import type { Account } from '../../src/ledger/account.ts'
import { causesOf } from '../../src/ledger/diagnose/causes.ts'
import type { Actor, ErrorReport, Finding } from '../../src/ledger/findings/finding.ts'
import type { Frame } from '../../src/trace/events.ts'

export const frame = (name: string, offset?: number): Frame => ({ address: 0n, name, offset, module: undefined })

export const ns = (seconds: number) => seconds * 1e9

/** A get by the first function, called by the others. */
export function actor(...names: [string, ...string[]]): Actor {
  const stack = names.map(name => frame(name, 16))
  const [first] = stack
  return { frame: first, stack, task: 'worker', pid: 7, cpu: 0, time: ns(2), operation: 'page_ref_mod', delta: 1 }
}

export function finding(kind: Finding['kind'], over: Partial<Finding> = {}): Finding {
  return {
    kind,
    pfn: 0x1000,
    pagemap: 0,
    life: { began: ns(1), ended: undefined },
    history: [],
    count: 1,
    expected: 0,
    certainty: 'certain',
    culprit: undefined,
    culpritCertainty: undefined,
    candidates: [],
    law: undefined,
    references: 1,
    consequences: [],
    moreConsequences: 0,
    evidence: ['it began at 1.000000'],
    ...over,
  }
}

export function accountOf(findings: Finding[], reports: ErrorReport[], probes = 3): Account {
  return {
    info: {
      file: 'x',
      format: 'ftrace text',
      kernel: undefined,
      cpus: 2,
      clock: 'local',
      unit: 'ns',
      resolution: 1,
      rawFlags: false,
      machine: undefined,
    },
    timeBase: 0n,
    events: 9,
    skipped: 0,
    probes,
    firstTime: ns(1),
    lastTime: ns(3),
    lost: { gaps: 0, events: 0, from: Infinity, to: -Infinity },
    unknownChanges: 0,
    pagemaps: [],
    lives: { complete: 1, partial: 0, broken: 0, openAtEnd: 0, unknown: 0 },
    uncounted: 0,
    findings,
    causes: causesOf(findings),
    reports,
    laws: [],
    open: [],
    unmaps: [],
    notes: [],
    unrecorded: 0,
    dropped: { incidents: 0, shapes: 0 },
    asked: [],
  }
}

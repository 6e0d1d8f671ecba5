// SPDX-License-Identifier: GPL-2.0-or-later
/** Results of examining a dump, as JSON (schema lastput.core/1). */
import type { Examination } from '../core/examine.ts'
import type { CoreFinding, Holder } from '../core/finding.ts'
import type { PagemapAccount, StateCounts } from '../core/mm/device-pages.ts'
import type { PageKind } from '../core/mm/page-runs.ts'
import { flagNames } from '../core/page-queries.ts'
import { coreIncompleteness } from './core-completeness.ts'
import { pfnText } from './words.ts'

/** @param map true to list every page, too, in runs of equal pages */
export function coreJson(file: string, found: Examination, { map = true } = {}): object {
  const { kernel, pagemaps, findings, notes, holders } = found
  const reasons = coreIncompleteness(found)
  return {
    schema: 'lastput.core/1',
    complete: reasons.length === 0,
    reasons,
    source: {
      file,
      format: kernel.dump.memory.format,
      kernel: kernel.release,
      arch: kernel.arch.name,
      foundBy: kernel.foundBy,
      damage: kernel.dump.damage,
    },
    pagemaps: pagemaps.map(each => ({ ...pagemapJson(each), ...(map ? { map: mapJson(found, each) } : {}) })),
    pages: total(pagemaps),
    search: {
      holders: holders !== undefined,
      incomplete: holders?.incomplete ?? ['holders were not looked for'],
    },
    findings: findings.map(findingJson),
    notes,
  }
}

export function addressText(address: bigint): string {
  return `0x${address.toString(16)}`
}

function total(pagemaps: readonly PagemapAccount[]): StateCounts {
  const sum: StateCounts = { busy: 0, idle: 0, impossible: 0, unknown: 0, absent: 0 }
  for (const { pages } of pagemaps) {
    for (const state of Object.keys(sum) as (keyof StateCounts)[]) sum[state] += pages[state]
  }
  return sum
}

function pagemapJson(map: PagemapAccount): object {
  return {
    address: addressText(map.address),
    type: map.type ?? null,
    typeNumber: map.typeNumber,
    ranges: map.ranges.map(({ first, end, reserved }) => ({
      firstPfn: pfnText(first),
      lastPfn: pfnText(end - 1),
      reserved,
    })),
    order: map.order,
    owner: addressText(map.owner),
    driver: map.driver ?? null,
    ops: map.opsName ?? (map.ops === 0n ? null : addressText(map.ops)),
    pageFree: map.pageFree ?? null,
    protocol: map.protocol ?? null,
    recognisedBy: map.recognisedBy,
    idleCount: map.rule?.idle ?? null,
    ref: map.ref ? { state: map.ref.state, references: numberOf(map.ref.references) } : null,
    pages: map.pages,
    counts: [...map.counts].sort(([a], [b]) => a - b).map(([count, pages]) => ({ count, pages })),
  }
}

function mapJson(found: Examination, { runs }: PagemapAccount): object {
  return {
    kinds: runs.kinds.map(kind => kindJson(found, kind)),
    runs: Array.from({ length: runs.length }, (_, row) => ({
      firstPfn: pfnText(runs.first[row]!),
      pages: runs.pages[row]!,
      kind: runs.kind[row]!,
    })),
    leftOut: runs.leftOut,
  }
}

function kindJson(found: Examination, { state, count, mapcount, flagsLow, flagsHigh, folio }: PageKind): object {
  if (state === 'absent' || state === 'reserved') return { state }
  const flags = addressText((BigInt(flagsHigh) << 32n) | BigInt(flagsLow))
  return { state, count, mapcount: mapcount + 1, flags, flagNames: flagNames(found, flagsLow), folio }
}

/** Counts of references fit a double unless memory is damaged. */
function numberOf(value: bigint | undefined): number | null {
  return value === undefined ? null : Number(value)
}

export function findingJson(finding: CoreFinding): object {
  const { kind, certainty, pfn, pages, pagemap, count, mapcount, explained, holders, evidence } = finding
  return {
    kind,
    certainty,
    pfn: pfnText(pfn),
    pages: pages.map(({ first, end }) => ({ firstPfn: pfnText(first), lastPfn: pfnText(end - 1) })),
    pagemap: pagemap ?? null,
    count,
    mapcount,
    explained: explained ?? null,
    holders: holders.map(holderJson),
    evidence,
  }
}

function holderJson(holder: Holder): object {
  const { kind, references, words, address, pid, task, cache, object, offset, member, symbol } = holder
  return {
    kind,
    references: references ?? null,
    words,
    address: address === undefined ? null : addressText(address),
    ...(pid === undefined ? {} : { pid }),
    ...(task === undefined ? {} : { task }),
    ...(cache === undefined ? {} : { cache }),
    ...(object === undefined ? {} : { object: addressText(object) }),
    ...(offset === undefined ? {} : { offset }),
    ...(member === undefined ? {} : { member }),
    ...(symbol === undefined ? {} : { symbol }),
  }
}

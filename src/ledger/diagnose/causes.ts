// SPDX-License-Identifier: GPL-2.0-or-later
/** Groups the findings that one bug made: those of the same kind, law and call site, on any number of pages. */
import type { Frame } from '../../trace/events.ts'
import type { Certainty, Finding } from '../findings/finding.ts'
import { ACCUSATIONS } from '../findings/kinds.ts'
import type { FindingKind } from '../findings/registry.ts'

export interface Cause {
  kind: FindingKind
  /** Number of the law that is broken; undefined where no law tells. */
  law: number | undefined
  /** The accused call site, or all candidates where several are possible. */
  frames: (Frame | undefined)[]
  /** Indices of the findings in the account, by time; the first is the example that reports show in full. */
  findings: number[]
  /** The highest certainty of the findings. */
  certainty: Certainty
  culpritCertainty: Certainty | undefined
  /** Pages as ranges from first to last, ascending. */
  pages: { first: number; last: number }[]
  references: number
  /** Times of the first and the last finding's event. */
  first: number
  last: number
}

const SURENESS: Record<Certainty, number> = { certain: 3, likely: 2, possible: 1 }

/** Groups the findings that accuse into causes, the most certain first, then those with most findings. */
export function causesOf(findings: readonly Finding[]): Cause[] {
  const groups = new Map<string, number[]>()
  findings.forEach((finding, i) => {
    if (!ACCUSATIONS.has(finding.kind)) return
    const key = [finding.kind, finding.law ?? '-', finding.pagemap, ...sitesOf(finding).map(siteKey)].join(' ')
    const group = groups.get(key)
    if (group) group.push(i)
    else groups.set(key, [i])
  })
  return [...groups.values()]
    .map(group => causeOf(group, findings))
    .sort(
      (a, b) =>
        SURENESS[b.certainty] - SURENESS[a.certainty] || b.findings.length - a.findings.length || a.first - b.first,
    )
}

function causeOf(group: readonly number[], findings: readonly Finding[]): Cause {
  const sorted = [...group].sort(
    (a, b) =>
      SURENESS[findings[b]!.certainty] - SURENESS[findings[a]!.certainty] ||
      timeOf(findings[a]!) - timeOf(findings[b]!),
  )
  const all = sorted.map(i => findings[i]!)
  const example = all[0]!
  const times = all.map(timeOf)
  return {
    kind: example.kind,
    law: example.law,
    frames: sitesOf(example),
    findings: sorted,
    certainty: example.certainty,
    culpritCertainty: example.culpritCertainty,
    pages: ranges(all.map(finding => finding.pfn)),
    references: all.reduce((sum, finding) => sum + finding.references, 0),
    first: Math.min(...times),
    last: Math.max(...times),
  }
}

function sitesOf({ culprit, candidates }: Finding): (Frame | undefined)[] {
  return culprit ? [culprit.frame] : candidates.map(({ actor }) => actor.frame)
}

function siteKey(frame: Frame | undefined): string {
  return frame ? `${frame.name}+${frame.offset}@${frame.address}` : '?'
}

function timeOf({ culprit, candidates, life }: Finding): number {
  return culprit?.time ?? candidates[0]?.actor.time ?? life.began ?? 0
}

/** Returns the ranges of consecutive numbers. */
function ranges(pfns: readonly number[]): { first: number; last: number }[] {
  const runs: { first: number; last: number }[] = []
  for (const pfn of [...new Set(pfns)].sort((a, b) => a - b)) {
    const run = runs.at(-1)
    if (run && run.last + 1 === pfn) run.last = pfn
    else runs.push({ first: pfn, last: pfn })
  }
  return runs
}

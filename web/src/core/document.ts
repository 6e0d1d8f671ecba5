// SPDX-License-Identifier: GPL-2.0-or-later
/** Reads the JSON of `lastput core`: findings in the type that the report's sentences take, pages as numbers. */
import type { CoreCertainty, CoreFinding, CoreFindingKind, Holder, HolderKind } from '../../../src/core/finding.ts'

export type PageState = 'idle' | 'busy' | 'impossible' | 'unknown' | 'absent' | 'reserved'

/** The properties that all pages of a run share. */
export interface KindJson {
  state: PageState
  count?: number
  mapcount?: number
  flags?: string
  flagNames?: string[]
  folio?: number
}

export interface Run {
  first: number
  end: number
  kind: KindJson
}

export interface CorePagemap {
  type: string | null
  typeNumber: number
  ranges: { first: number; end: number }[]
  driver: string | null
  protocol: string | null
  idleCount: number | null
  ref: { state: string; references: number | null } | null
  pages: Record<'idle' | 'busy' | 'impossible' | 'unknown' | 'absent', number>
  /** Sorted by pages, without overlap. Not all pages have a run: the output is limited, and can lack runs altogether. */
  runs: Run[]
}

export interface CoreDocument {
  complete: boolean
  reasons: { reason: string; text: string }[]
  source: { file: string; format: string; kernel: string; arch: string; foundBy: string; damage: string[] }
  pagemaps: CorePagemap[]
  findings: CoreFinding[]
  notes: string[]
}

type Json = Record<string, unknown>

const WRONG = 'expected lastput.core/1 with source, pagemaps and findings'

/** Reads a document of `lastput core`. @throws Error that says what was expected */
export function readCore(json: Json): CoreDocument {
  const { complete, reasons, source, pagemaps, findings, notes } = json
  return {
    complete: complete === true,
    reasons: list(reasons).map(each => {
      const { reason, text: words } = object(each)
      return { reason: text(reason), text: text(words) }
    }),
    source: readSource(object(source)),
    pagemaps: list(pagemaps).map(each => readPagemap(object(each))),
    findings: list(findings).map(each => readFinding(object(each))),
    notes: list(notes).map(text),
  }
}

function readSource({ file, format, kernel, arch, foundBy, damage }: Json): CoreDocument['source'] {
  return {
    file: text(file),
    format: text(format),
    kernel: text(kernel),
    arch: text(arch),
    foundBy: text(foundBy),
    damage: list(damage).map(text),
  }
}

function readPagemap(json: Json): CorePagemap {
  const { type, typeNumber, ranges, driver, protocol, idleCount, ref, pages, map } = json
  const states = object(pages)
  const { state, references } = ref === null ? {} : object(ref)
  return {
    type: orNull(type, text),
    typeNumber: number(typeNumber),
    ranges: list(ranges).map(each => pageRange(object(each))),
    driver: orNull(driver, text),
    protocol: orNull(protocol, text),
    idleCount: orNull(idleCount, number),
    ref: ref === null ? null : { state: text(state), references: orNull(references, number) },
    pages: {
      idle: number(states.idle),
      busy: number(states.busy),
      impossible: number(states.impossible),
      unknown: number(states.unknown),
      absent: number(states.absent),
    },
    runs: map === undefined ? [] : readRuns(object(map)),
  }
}

function readRuns({ kinds, runs }: Json): Run[] {
  const known = list(kinds).map(each => readKind(object(each)))
  const read = list(runs).map(each => {
    const { firstPfn, pages, kind } = object(each)
    const first = pfn(firstPfn)
    return { first, end: first + number(pages), kind: known[number(kind)] ?? wrong() }
  })
  read.sort((a, b) => a.first - b.first)
  // A pagemap read from damaged memory may have overlapping ranges.
  return read.filter((run, i) => run.end > run.first && (i === 0 || run.first >= read[i - 1]!.end))
}

function readKind({ state, count, mapcount, flags, flagNames, folio }: Json): KindJson {
  const kind: KindJson = { state: text(state) as PageState }
  if (count !== undefined) kind.count = number(count)
  if (mapcount !== undefined) kind.mapcount = number(mapcount)
  if (flags !== undefined) kind.flags = text(flags)
  if (flagNames !== undefined) kind.flagNames = list(flagNames).map(text)
  if (folio !== undefined) kind.folio = Math.max(1, number(folio))
  return kind
}

function readFinding(json: Json): CoreFinding {
  const { kind, certainty, pages, pagemap, count, mapcount, explained, holders, evidence } = json
  return {
    kind: text(kind) as CoreFindingKind,
    certainty: text(certainty) as CoreCertainty,
    pfn: pfn(json.pfn),
    pages: list(pages).map(each => pageRange(object(each))),
    pagemap: orNull(pagemap, number) ?? undefined,
    count: number(count),
    mapcount: number(mapcount),
    explained: orNull(explained, number) ?? undefined,
    holders: list(holders).map(each => readHolder(object(each))),
    evidence: list(evidence).map(text),
  }
}

function readHolder({ kind, references, words, address, pid, task, cache, symbol, member }: Json): Holder {
  return {
    kind: text(kind) as HolderKind,
    references: orNull(references, number) ?? undefined,
    words: text(words),
    address: typeof address === 'string' && /^0x[0-9a-f]{1,16}$/.test(address) ? BigInt(address) : undefined,
    pid: pid === undefined ? undefined : number(pid),
    task: task === undefined ? undefined : text(task),
    cache: cache === undefined ? undefined : text(cache),
    symbol: symbol === undefined ? undefined : text(symbol),
    member: member === undefined ? undefined : text(member),
  }
}

function pageRange({ firstPfn, lastPfn }: Json): { first: number; end: number } {
  return { first: pfn(firstPfn), end: pfn(lastPfn) + 1 }
}

function pfn(value: unknown): number {
  return typeof value === 'string' && /^0x[0-9a-f]{1,12}$/.test(value) ? Number(value) : wrong()
}

function wrong(): never {
  throw new Error(WRONG)
}

function object(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : wrong()
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : wrong()
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : wrong()
}

function number(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : wrong()
}

function orNull<T>(value: unknown, read: (value: unknown) => T): T | null {
  return value === null ? null : read(value)
}

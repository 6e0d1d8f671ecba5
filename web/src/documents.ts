// SPDX-License-Identifier: GPL-2.0-or-later
/** Types of the JSON that `lastput trace`, `check` and `explain` write, and the function that recognises and reads it. */
import { type CoreDocument, readCore } from './core/document.ts'

export interface FunctionJson {
  /** null if the event has no stack. */
  function: string | null
  /** The kernel's symbol, if it differs from the function's name by a suffix of the compiler. */
  symbol?: string
  offset?: number
  module?: string
  address?: string
}

export interface ActorJson extends FunctionJson {
  stack: FunctionJson[]
  task: string
  pid: number
  cpu: number
  /** In the unit that `ClockJson` describes. */
  time: number
  operation: string
  val: number
}

export interface EventJson extends ActorJson {
  count: number
  partner: number | null
  /** True for the put by which memunmap_pages() drops the reference that is part of an idle page's count. */
  base?: true
}

export interface ConsequenceJson extends FunctionJson {
  kind: string
  pfn: string
  time: number
  count: number
  task: string
  pid: number
  cpu: number
}

export interface LifeJson {
  pfn: string
  began: number | null
  ended: number | null
  events: EventJson[]
}

/** One of the actors that could be the culprit. */
export interface CandidateJson extends ActorJson {
  reasons: string[]
}

export interface FindingJson {
  kind: string
  pfn: string
  lifetime: Omit<LifeJson, 'pfn'>
  /** null if only probes mention the page. */
  count: number | null
  expected: number | null
  /** The page was watched: `expected` includes the references that were held before the recording. */
  isRest?: true
  references: number
  /** Certainty that there is a fault, whoever made it. */
  certainty: string
  culprit: ActorJson | null
  culpritCertainty: string | null
  /** Sorted by evidence, strongest first; the culprit, if there is one, comes first. */
  candidates: CandidateJson[]
  law: number | null
  consequences: ConsequenceJson[]
  moreConsequences: number
  evidence: string[]
}

/** Findings that are attributed to one bug. */
export interface CauseJson {
  kind: string
  law: number | null
  functions: FunctionJson[]
  /** Indices into the list of findings; the example comes first. */
  findings: number[]
  certainty: string
  culpritCertainty: string | null
  pages: { first: string; last: string }[]
  references: number
  first: number
  last: number
}

export interface PagemapJson {
  type?: string
  firstPfn: string
  lastPfn: string
  pages: number
  protocol: string
  recognisedBy: string
}

/** A call site of a law, with the callers that distinguish it from others at the same address. */
export interface LawSiteJson extends FunctionJson {
  callers?: FunctionJson[]
}

/** A law: references taken at the gets are given back at the puts. */
export interface LawJson {
  gets: LawSiteJson[]
  puts: LawSiteJson[]
  lifetimes: number
  held: number
  over: number
  under: number
  ambiguous: boolean
}

/** References of one call site that are still held when the recording ends; `pfn` is one of the pages. */
export interface OpenJson {
  get: FunctionJson
  law: number | null
  references: number
  pages: number
  pfn: string
}

/** A report that the kernel itself printed; `function` is the reporting function. */
export interface ReportJson extends FunctionJson {
  detector: string
  at: string
  stack: FunctionJson[]
  task: string
  pid: number
  cpu: number
  time: number
  page: string | null
  times: number
}

/** A call of memunmap_pages(): its caller, and when it was entered. */
export interface UnmapJson extends ActorJson {
  firstPfn: string
  lastPfn: string
  returned: number | null
  waits: boolean
}

/** The unit of times: seconds with a number of significant decimals, or ticks of a clock whose rate is unknown. */
export interface ClockJson {
  name: string
  unit: 's' | 'ticks'
  decimals: number
  resolution: number
}

/** lastput.trace/3 */
export interface TraceJson {
  schema: 'lastput.trace/3'
  /** Whether all of the input was judged, and the reasons if not. */
  complete: boolean
  reasons: { reason: string; text: string }[]
  source: {
    file: string
    format: string
    kernel: string | null
    cpus: number
    clock: ClockJson
    events: number
    skipped: number
    probes: number
    lost: number | null
    gaps: number
    firstTime: number | null
    lastTime: number | null
    endTime: number | null
    damage: { offset: number; expected: string }[]
  }
  pagemaps: PagemapJson[]
  lifetimes: { complete: number; partial: number; broken: number; openAtEnd: number; unknown: number }
  causes: CauseJson[]
  findings: FindingJson[]
  reports: ReportJson[]
  /** Absent in documents of earlier versions of lastput. */
  unmaps?: UnmapJson[]
  laws: LawJson[]
  open: OpenJson[]
  notes: string[]
}

export interface StepJson {
  step: number
  thread: string
  function: string
  stack: string[]
  operation: string
  source?: string
  /** Changed cells. `text` is the model's representation of the new value, `was` that of the old one. */
  changes: { cell: string; from: number; to: number; text?: string; was?: string }[]
  /** Holders of references and locks after the step. */
  holders?: string
}

export interface VerdictJson {
  verdict: 'holds' | 'violated' | 'inconclusive'
  property?: string
  message?: string
  reason?: string
  states?: number
  depth?: number
  seconds?: number
  counterexample?: StepJson[]
  /** Number of the step that follows the last one, for a violation that is a cycle. */
  loop?: number
}

/** lastput.check/2. `bug`, `title` and `form` are present with --bugs. */
export interface CheckJson extends VerdictJson {
  schema: 'lastput.check/2'
  system: string
  driver: string
  protocol: string
  bounds: string
  reductions?: string[]
  bug?: string
  title?: string
  form?: 'broken' | 'fixed'
  /** Whether the bug is confirmed in a kernel, and the source for that. */
  confirmed?: { status: string; where: string }
}

/** One cell of `check --matrix --json`. */
export interface CellJson extends CheckJson {
  scenario: string
  property: string
  steps?: number
  /** True if every execution that violates the property has violated another one before. */
  consequence?: boolean
  cause?: string
}

/** The cells of one system. */
export interface MatrixJson {
  driver: string
  scenario: string
  protocol: string
  bounds?: string
  properties: Record<string, CellJson>
}

/** lastput.run/2: one execution of the model. */
export interface RunJson {
  system: string
  driver: string
  protocol: string
  seed: number
  steps: StepJson[]
  violations: { step: number; property: string; message: string }[]
}

interface ChangeJson {
  from: number
  to: number
}

export interface LifeStepJson {
  thread: string
  function: string
  count?: ChangeJson
  pagemapRef?: ChangeJson
  told?: string
}

export interface ProtocolJson {
  id: string
  name: string
  where: string
  words: string
  lives: {
    type: string
    driver: string
    idle: number
    mappingCounts: boolean
    initial: number
    steps: LifeStepJson[]
  }[]
}

export type Document =
  /** lastput.explain/2 */
  | { kind: 'explain'; protocols: ProtocolJson[] }
  | { kind: 'run'; run: RunJson }
  | { kind: 'trace'; trace: TraceJson }
  /** lastput.core/1 */
  | { kind: 'core'; core: CoreDocument }
  | { kind: 'check'; checks: CheckJson[] }
  | { kind: 'matrix'; rows: MatrixJson[] }

/** Recognises and reads a document. @throws Error that says what was expected, for any other JSON */
export function readDocument(json: unknown): Document {
  const list = Array.isArray(json) ? json : [json]
  const first: unknown = list[0]
  if (!isObject(first)) throw new Error('expected JSON of lastput trace, core, check, run or explain')
  if (first.schema === 'lastput.trace/1' || first.schema === 'lastput.trace/2')
    throw new Error('expected lastput.trace/3; this is of an earlier lastput: account for the recording again')
  if (first.schema === 'lastput.trace/3') {
    if (list.length > 1) throw new Error('expected the JSON of one recording, found that of several')
    if (!isTrace(first)) throw new Error('expected lastput.trace/3 with source, pagemaps, findings and causes')
    return { kind: 'trace', trace: first }
  }
  if (first.schema === 'lastput.core/1' && list.length === 1) return { kind: 'core', core: readCore(first) }
  if (first.schema === 'lastput.explain/2') {
    const { protocols } = first
    if (!Array.isArray(protocols) || !protocols.every(isProtocol) || protocols.length === 0)
      throw new Error('expected lastput.explain/2 with protocols and their lives')
    return { kind: 'explain', protocols }
  }
  if (list.every(isCell)) return { kind: 'matrix', rows: rowsOf(list) }
  if (first.schema === 'lastput.run/2') {
    if (!isRun(first)) throw new Error('expected lastput.run/2 with steps and violations')
    return { kind: 'run', run: first }
  }
  if (list.every(isCheck)) return { kind: 'check', checks: list }
  throw new Error(
    'expected lastput.trace/3, core/1, check/2, run/2 or explain/2, or the JSON of lastput check --matrix',
  )
}

function isObject(json: unknown): json is Record<string, unknown> {
  return typeof json === 'object' && json !== null
}

function isTrace(json: object): json is TraceJson {
  const { source, pagemaps, findings, causes, lifetimes, reports, laws, open, notes, reasons } =
    json as Partial<TraceJson>
  if (!isObject(source) || !isObject(lifetimes)) return false
  if (![notes, reasons, pagemaps, reports, laws, open].every(Array.isArray)) return false
  if (!Array.isArray(findings) || !findings.every(isFinding)) return false
  return Array.isArray(causes) && causes.every(cause => isCause(cause, findings.length))
}

function isFinding(json: unknown): boolean {
  const { lifetime, candidates } = (json ?? {}) as Partial<FindingJson>
  return Array.isArray(lifetime?.events) && Array.isArray(candidates) && isTextual(json as FindingJson)
}

function isCause(json: unknown, findings: number): boolean {
  const { findings: list, pages } = (json ?? {}) as Partial<CauseJson>
  const isThere = (i: unknown) => Number.isInteger(i) && (i as number) >= 0 && (i as number) < findings
  return Array.isArray(list) && list.length > 0 && list.every(isThere) && Array.isArray(pages)
}

function isTextual({ kind, pfn, evidence, consequences }: FindingJson): boolean {
  return typeof kind === 'string' && typeof pfn === 'string' && Array.isArray(evidence) && Array.isArray(consequences)
}

function isCheck(json: unknown): json is CheckJson {
  return isObject(json) && json.schema === 'lastput.check/2' && isVerdict(json) && typeof json.driver === 'string'
}

function isCell(json: unknown): json is CellJson {
  return isCheck(json) && typeof (json as CellJson).scenario === 'string' && typeof json.property === 'string'
}

/** Groups cells by system. The cells of one system are consecutive. */
function rowsOf(cells: CellJson[]): MatrixJson[] {
  const systems: CellJson[][] = []
  for (const cell of cells) {
    const [before] = systems.at(-1) ?? []
    const same =
      before?.driver === cell.driver && before.scenario === cell.scenario && before.protocol === cell.protocol
    if (same) systems.at(-1)!.push(cell)
    else systems.push([cell])
  }
  return systems.map(all => {
    const { driver, scenario, protocol, bounds } = all[0]!
    return { driver, scenario, protocol, bounds, properties: Object.fromEntries(all.map(c => [c.property, c])) }
  })
}

function isProtocol(json: unknown): json is ProtocolJson {
  if (!isObject(json) || typeof json.id !== 'string' || !Array.isArray(json.lives)) return false
  return json.lives.every(life => typeof life?.type === 'string' && Array.isArray(life.steps))
}

function isRun(json: object): json is RunJson {
  const { system, steps, violations } = json as Partial<RunJson>
  return typeof system === 'string' && areSteps(steps) && Array.isArray(violations)
}

function isVerdict(json: unknown): boolean {
  if (!isObject(json) || typeof json.verdict !== 'string') return false
  return json.counterexample === undefined || areSteps(json.counterexample)
}

function areSteps(json: unknown): json is StepJson[] {
  return Array.isArray(json) && json.every(step => Array.isArray(step?.changes) && Array.isArray(step.stack))
}

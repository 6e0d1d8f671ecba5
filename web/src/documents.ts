// SPDX-License-Identifier: GPL-2.0-or-later
/** The JSON that `lastput trace`, `check` and `explain` write, as the viewer reads it, and telling one from the other. */
import type { FindingKind } from '../../src/ledger/findings.ts'

export interface FunctionJson {
  /** null: the recording has no stack there. */
  function: string | null
  offset?: number
  module?: string
  address?: string
}

export interface ActorJson extends FunctionJson {
  stack: FunctionJson[]
  task: string
  pid: number
  cpu: number
  /** Seconds. */
  time: number
  operation: string
  val: number
}

export interface EventJson extends ActorJson {
  count: number
  partner: number | null
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

export interface FindingJson {
  kind: FindingKind
  pfn: string
  life: Omit<LifeJson, 'pfn'>
  count: number
  expected: number
  references: number
  certainty: string
  margin: number | null
  culprit: ActorJson | null
  counterpart?: FunctionJson & { lives: number }
  consequences: ConsequenceJson[]
  moreConsequences: number
  evidence: string[]
}

export interface PagemapJson {
  type?: string
  firstPfn: string
  lastPfn: string
  pages: number
  protocol: string
  recognisedBy: string
}

export interface PairJson {
  get: FunctionJson
  put: FunctionJson
  lives: number
}

/** lastput.trace/1 */
export interface TraceJson {
  schema: 'lastput.trace/1'
  source: {
    file: string
    format: string
    kernel: string | null
    cpus: number
    events: number
    skipped: number
    lost: number | null
    gaps: number
    firstTime: number | null
    lastTime: number | null
    damage: { offset: number; expected: string }[]
  }
  pagemaps: PagemapJson[]
  lives: { complete: number; partial: number; broken: number; openAtEnd: number; unknown: number }
  findings: FindingJson[]
  pairs?: PairJson[]
  notes: string[]
}

export interface StepJson {
  step: number
  thread: string
  function: string
  stack: string[]
  operation: string
  source?: string
  /** `text`: how the model shows the new value. */
  changes: { cell: string; from: number; to: number; text?: string }[]
  /** Who holds what after the step. */
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
  /** The step that is taken again after the last one. */
  loop?: number
}

/** lastput.check/1; `bug`, `title` and `form` with --bugs. */
export interface CheckJson extends VerdictJson {
  schema: 'lastput.check/1'
  system: string
  driver: string
  protocol: string
  bounds: string
  reductions?: string[]
  bug?: string
  title?: string
  form?: 'broken' | 'fixed'
}

/** One row of `check --matrix --json`. */
export interface MatrixJson {
  driver: string
  scenario: string
  protocol: string
  bounds?: string
  properties: Record<string, VerdictJson & { steps?: number }>
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
  /** lastput.explain/1 */
  | { kind: 'explain'; protocols: ProtocolJson[] }
  | { kind: 'trace'; trace: TraceJson }
  | { kind: 'check'; checks: CheckJson[] }
  | { kind: 'matrix'; rows: MatrixJson[] }

/** Reads what a file holds. @throws Error that says what was expected, for anything that is none of these. */
export function readDocument(json: unknown): Document {
  const list = Array.isArray(json) ? json : [json]
  const first: unknown = list[0]
  if (!isObject(first)) throw new Error('expected JSON of lastput trace or lastput check')
  if (first.schema === 'lastput.trace/1') {
    if (list.length > 1) throw new Error('expected the JSON of one recording, found that of several')
    if (!isTrace(first)) throw new Error('expected lastput.trace/1 with source, pagemaps and findings')
    return { kind: 'trace', trace: first }
  }
  if (first.schema === 'lastput.explain/1') {
    const { protocols } = first
    if (!Array.isArray(protocols) || !protocols.every(isProtocol) || protocols.length === 0)
      throw new Error('expected lastput.explain/1 with protocols and their lives')
    return { kind: 'explain', protocols }
  }
  if (list.every(isCheck)) return { kind: 'check', checks: list }
  if (list.every(isMatrix)) return { kind: 'matrix', rows: list }
  throw new Error('expected lastput.trace/1, lastput.check/1, lastput.explain/1 or the JSON of lastput check --matrix')
}

function isObject(json: unknown): json is Record<string, unknown> {
  return typeof json === 'object' && json !== null
}

function isTrace(json: object): json is TraceJson {
  const { source, pagemaps, findings, lives, notes } = json as Partial<TraceJson>
  if (!isObject(source) || !isObject(lives) || !Array.isArray(notes) || !Array.isArray(pagemaps)) return false
  return Array.isArray(findings) && findings.every(each => Array.isArray(each?.life?.events) && isTextual(each))
}

function isTextual({ kind, pfn, evidence, consequences }: FindingJson): boolean {
  return typeof kind === 'string' && typeof pfn === 'string' && Array.isArray(evidence) && Array.isArray(consequences)
}

function isCheck(json: unknown): json is CheckJson {
  return isObject(json) && json.schema === 'lastput.check/1' && isVerdict(json) && typeof json.driver === 'string'
}

function isMatrix(json: unknown): json is MatrixJson {
  if (!isObject(json) || !isObject(json.properties) || typeof json.driver !== 'string') return false
  return Object.values(json.properties).every(isVerdict)
}

function isProtocol(json: unknown): json is ProtocolJson {
  if (!isObject(json) || typeof json.id !== 'string' || !Array.isArray(json.lives)) return false
  return json.lives.every(life => typeof life?.type === 'string' && Array.isArray(life.steps))
}

function isVerdict(json: unknown): boolean {
  if (!isObject(json) || typeof json.verdict !== 'string') return false
  const { counterexample } = json
  if (counterexample === undefined) return true
  return Array.isArray(counterexample) && counterexample.every(step => Array.isArray(step?.changes))
}

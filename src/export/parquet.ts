// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Exports a recording as tables in Parquet files, for SQL over many recordings. Times are in seconds of the recording's clock (or
 * in ticks, if their length is unknown). Pages are page frame numbers. Who acted is given by `function+0xoffset` and the task.
 *
 * - `events`: every page_ref event, in order of time
 * - `stacks`: the frames of each stack, innermost first
 * - `lives`: the lifetimes of pages that are accounted for
 * - `references`: what was taken in a lifetime, and what put it
 * - `findings`
 */
import { ParquetWriter, schemaFromColumnData, type Writer } from 'hyparquet-writer'
import { baseName } from '../ledger/callsites/symbol-lists.ts'
import { ACCUSATIONS, type Actor } from '../ledger/index.ts'
import type { LifetimeEvent } from '../ledger/track/lifetime-event.ts'
import { timeNumber } from '../trace/common/times.ts'
import { type EventBatch, isProbe, OP_NAMES } from '../trace/events.ts'
import type { KeptRecording } from './kept-recording.ts'
import { frameText, taskText } from './who.ts'

type Cell = string | number | bigint | boolean | null
type ColumnType = 'DOUBLE' | 'INT32' | 'INT64' | 'STRING' | 'BOOLEAN'
type Columns = Record<string, ColumnType>

/** The columns of each table, in the order of the cells in rows. */
const TABLES = {
  events: {
    time: 'DOUBLE',
    cpu: 'INT32',
    pid: 'INT32',
    pfn: 'INT64',
    operation: 'STRING',
    val: 'INT32',
    ret: 'INT32',
    count: 'INT32',
    mapcount: 'INT32',
    stack: 'INT32',
  },
  stacks: { stack: 'INT32', depth: 'INT32', function: 'STRING', offset: 'INT64', module: 'STRING' },
  lives: {
    life: 'INT32',
    pfn: 'INT64',
    pagemap: 'INT64',
    began: 'DOUBLE',
    ended: 'DOUBLE',
    events: 'INT32',
    peak: 'INT32',
  },
  references: {
    life: 'INT32',
    pfn: 'INT64',
    units: 'INT32',
    taken: 'DOUBLE',
    taken_at: 'STRING',
    taken_by: 'STRING',
    taken_stack: 'INT32',
    given: 'DOUBLE',
    given_at: 'STRING',
    given_by: 'STRING',
    given_stack: 'INT32',
  },
  findings: {
    kind: 'STRING',
    accuses: 'BOOLEAN',
    pfn: 'INT64',
    certainty: 'STRING',
    culprit_certainty: 'STRING',
    culprit: 'STRING',
    culprit_task: 'STRING',
    culprit_time: 'DOUBLE',
    candidates: 'STRING',
    references: 'INT32',
    evidence: 'STRING',
  },
} satisfies Record<string, Columns>

export type TableName = keyof typeof TABLES

export const TABLE_NAMES = Object.keys(TABLES) as TableName[]

/** Number of rows collected before they are written. */
const GROUP_ROWS = 1 << 17

/** A table that is being written. */
class Table {
  readonly #columns: readonly { name: string; type: ColumnType }[]
  readonly #writer: ParquetWriter
  #data: Cell[][] = []

  constructor(name: TableName, writer: Writer) {
    this.#columns = Object.entries(TABLES[name]).map(([column, type]) => ({ name: column, type }))
    const schema = schemaFromColumnData({ columnData: this.#columnData(this.#columns.map(() => [])) })
    this.#writer = new ParquetWriter({ writer, schema, createdBy: 'lastput' })
    this.#clear()
  }

  /**
   * Adds a row.
   * @param row its cells in the order of the table's columns
   */
  add(row: readonly Cell[]): void {
    for (let i = 0; i < row.length; i++) this.#data[i]!.push(row[i]!)
    if (this.#data[0]!.length >= GROUP_ROWS) this.#flush()
  }

  finish(): void {
    this.#flush()
    this.#writer.finish()
  }

  #flush(): void {
    if (this.#data[0]!.length === 0) return
    this.#writer.write({ columnData: this.#columnData(this.#data), rowGroupSize: GROUP_ROWS })
    this.#clear()
  }

  #clear(): void {
    this.#data = this.#columns.map(() => [])
  }

  #columnData(data: readonly Cell[][]) {
    return this.#columns.map(({ name, type }, i) => ({ name, type, data: data[i]!, nullable: true }))
  }
}

/** Writes the tables of one recording: first its events while they are read, then the results of the ledger. */
export class ParquetTables {
  readonly #tables: Record<TableName, Table>

  /** @param open returns what a table is written to; `finish` completes it */
  constructor(open: (table: TableName) => Writer) {
    this.#tables = Object.fromEntries(TABLE_NAMES.map(name => [name, new Table(name, open(name))])) as Record<
      TableName,
      Table
    >
  }

  addEvents(batch: EventBatch, recording: KeptRecording['recording']): void {
    const { order, time, cpu, op, pid, pfn, val, ret, count, mapcount, stack } = batch
    for (let k = 0; k < batch.length; k++) {
      const i = order[k]!
      if (isProbe(op[i]!)) continue
      this.#tables.events.add([
        timeNumber(time[i]!, recording),
        cpu[i]!,
        pid[i]!,
        BigInt(pfn[i]!),
        OP_NAMES[op[i]!]!,
        val[i]!,
        ret[i]!,
        count[i]!,
        mapcount[i]!,
        stack[i] === 0 ? null : stack[i]!,
      ])
    }
  }

  finish(kept: KeptRecording): void {
    this.#addStacks(kept)
    this.#addLives(kept)
    this.#addFindings(kept)
    for (const table of Object.values(this.#tables)) table.finish()
  }

  #addStacks({ recording: { stacks } }: KeptRecording): void {
    for (let stack = 1; stack < stacks.size; stack++) {
      stacks.frames(stack).forEach((id, depth) => {
        const { name, offset, module } = stacks.frame(id)
        const at = offset === undefined ? null : BigInt(offset)
        this.#tables.stacks.add([stack, depth, baseName(name), at, module ?? null])
      })
    }
  }

  #addLives(kept: KeptRecording): void {
    const { recording, account } = kept
    let life = 0
    kept.pfns.forEach((pfn, page) => {
      const map = account.pagemaps[kept.pagemapOf(page)]
      const pagemap = map ? BigInt(map.firstPfn) : null
      for (const { began, ended, events, references, peak } of kept.lifetimes(page)) {
        const times = [began, ended].map(time => (time === undefined ? null : timeNumber(time, recording)))
        this.#tables.lives.add([++life, BigInt(pfn), pagemap, ...times, events.length, peak])
        for (const { units, taken, given } of references)
          this.#tables.references.add([life, BigInt(pfn), units, ...act(kept, taken), ...act(kept, given)])
      }
    })
  }

  #addFindings({ account, recording }: KeptRecording): void {
    for (const finding of account.findings) {
      const { culprit, candidates, evidence } = finding
      this.#tables.findings.add([
        finding.kind,
        ACCUSATIONS.has(finding.kind),
        BigInt(finding.pfn),
        finding.certainty,
        finding.culpritCertainty ?? null,
        frameText(culprit?.frame) ?? null,
        culprit ? `${culprit.task}-${culprit.pid}` : null,
        culprit ? timeNumber(culprit.time, recording) : null,
        candidates.map(({ actor }) => siteText(actor)).join('\n'),
        finding.references,
        evidence.join('\n'),
      ])
    }
  }
}

const siteText = ({ frame, operation }: Actor): string => frameText(frame) ?? operation

/** Returns the cells for when, where and by whom an event occurred, and with which stack. */
function act(kept: KeptRecording, event: LifetimeEvent | undefined): Cell[] {
  if (!event) return [null, null, null, null]
  const { time, stack, op, pid } = event
  const at = frameText(kept.acting(stack)[0]) ?? OP_NAMES[op]!
  return [timeNumber(time, kept.recording), at, taskText(kept.recording, pid), stack === 0 ? null : stack]
}

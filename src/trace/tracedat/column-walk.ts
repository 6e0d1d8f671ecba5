// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Reads the records of page_ref events and probes into columns, and assigns kernel stacks to them. Field offsets and event ids
 * differ between recordings, so the code is generated for each recording: loads become plain typed-array accesses in the file's
 * byte order. Only loads, stores and the selection between them are generated. Everything else is in the functions of this file.
 */
import { COLUMN_CONSTANTS, type Columns, Loads, type RecordLayout, storeRecord } from '../common/columns.ts'
import { type CommonFields, type EventFormat, findField } from '../common/event-format.ts'
import { type ProbeLayout, ProbeReader } from '../common/probe-records.ts'
import type { RawStacks } from '../common/raw-stacks.ts'
import { type SwitchLayout, SwitchReader } from '../common/switch-records.ts'
import { compileWalk, type Walk } from './record-walk.ts'
import type { BufferLayout } from './ring-buffer.ts'
import { CLOSED, damaged, LEVEL_OF_FLAGS, UNTOUCHED, type WalkState } from './walk-state.ts'

/** Position of the return addresses in kernel_stack events. */
export interface StackLayout {
  id: number
  /** The field with the number of addresses; undefined if they extend to the end of the record. */
  count: { offset: number; size: number } | undefined
  callerOffset: number
}

export function stackLayout(format: EventFormat): StackLayout | undefined {
  const caller = findField(format, 'caller')
  const size = findField(format, 'size')
  if (!caller || caller.offset % 4 !== 0) return undefined
  const usable = size && (size.size === 4 || size.size === 8) && size.offset + size.size <= caller.offset
  return { id: format.id, count: usable ? size : undefined, callerOffset: caller.offset }
}

/** Where a column walk stores what it reads. */
export interface ColumnTarget {
  columns: Columns
  stacks: RawStacks
}

/** The information about a recording that is needed to read its columns. */
export interface ColumnPlan {
  layout: BufferLayout
  timeBase: bigint
  common: CommonFields
  records: RecordLayout[]
  stack: StackLayout | undefined
  probes: ProbeLayout[]
  /** Undefined if the recording has no sched_switch events. */
  switches: SwitchLayout | undefined
  /** log2 of the page size of the recorded kernel. */
  pageShift: number
}

/** Notes a record that is shorter than its event's format requires. */
export function tooShort(state: WalkState, at: number, least: number, what: string, found: number): void {
  damaged(state, at, `expected ${least} bytes of ${what}, found ${found}`)
}

/** Notes a stack before the first event of its interrupt level in the block. */
export function early(state: WalkState, level: number, pid: number, stack: number): void {
  state.heads.push({ level, pid, stack })
}

/** Generates the case for page_ref events that share a layout. */
function pageRefCase(records: RecordLayout[], loads: Loads): string {
  const [{ size }] = records as [RecordLayout]
  return `${records.map(({ id }) => `case ${id}:`).join(' ')}
      if (length < ${size}) {
        tooShort(state, p, ${size}, 'an event of page_ref', length)
        break page
      }
      ${storeRecord(records[0]!, loads, 'p')}
      ${records.length > 1 ? 'C_op[row] = OP_OF_ID[id]' : ''}
      C_time[row] = time
      open[level] = row++
      openPid[level] = pid
      break`
}

function stackCase(stack: StackLayout, layout: BufferLayout, loads: Loads): string {
  const room = `((length - ${stack.callerOffset}) / ${layout.longSize} | 0)`
  const count = stack.count ? loads.load('p', stack.count.offset, stack.count.size, true) : room
  const found = `stacks.find(I, p + ${stack.callerOffset} >> 2, Math.max(0, Math.min(${count}, ${room})))`
  return `case ${stack.id}: {
        const waiting = open[level]
        if (waiting === ${CLOSED} || length < ${stack.callerOffset}) break
        const found = ${found}
        if (waiting === ${UNTOUCHED}) early(state, level, pid, found)
        else if (openPid[level] === pid) C_stack[waiting] = found
        open[level] = ${CLOSED}
        break
      }`
}

/** Generates the case for all kinds of probes. Probes are rare, so one common case is fast enough. */
function probeCase(probes: ProbeLayout[]): string {
  return `${probes.map(({ id }) => `case ${id}:`).join(' ')}
      if (length < probes.size(id)) {
        tooShort(state, p, probes.size(id), 'a probe', length)
        break page
      }
      if (probes.store(id, V, p, columns, row, state.probeFaults)) {
        C_time[row] = time
        open[level] = row++
        openPid[level] = pid
      } else open[level] = ${CLOSED}
      break`
}

/** Generates the case for sched_switch, which names tasks and becomes no row. */
function switchCase({ id }: SwitchLayout): string {
  return `case ${id}:
      switches.take(V, p, length, state.names)
      open[level] = ${CLOSED}
      break`
}

/** Event ids below this are looked up in a table. The kernel's ids have 16 bits. */
const SMALL_IDS = 1 << 16

/** Groups events whose records are read by the same code. Less code is optimised sooner. */
function sameLayouts(records: RecordLayout[]): RecordLayout[][] {
  const groups = new Map<string, RecordLayout[]>()
  for (const record of records) {
    const layout = JSON.stringify([record.id < SMALL_IDS ? 0 : record.id, [...record.fields.values()]])
    groups.set(layout, [...(groups.get(layout) ?? []), record])
  }
  return [...groups.values()]
}

/**
 * Generates the walk that reads a recording's columns. It does not set `cpu`, nor `stack` for events without one.
 *
 * A stack belongs to the last event of the same task at the same interrupt level on its CPU, because an interrupt between an
 * event and its stack puts records of its own between them.
 */
export function compileColumnWalk(plan: ColumnPlan): Walk<ColumnTarget> {
  const { layout, common } = plan
  const loads = new Loads(layout.littleEndian)
  const cases = sameLayouts(plan.records).map(records => pageRefCase(records, loads))
  if (plan.stack) cases.push(stackCase(plan.stack, layout, loads))
  if (plan.probes.length > 0) cases.push(probeCase(plan.probes))
  if (plan.switches) cases.push(switchCase(plan.switches))
  const opOfId = new Uint8Array(SMALL_IDS)
  for (const { id, op } of plan.records) if (id < SMALL_IDS) opOfId[id] = op
  const probes = new ProbeReader(plan.probes, layout.littleEndian, plan.pageShift)
  const switches = plan.switches && new SwitchReader(plan.switches, layout.littleEndian)
  return compileWalk(layout, plan.timeBase, common, {
    prologue: `const { columns, stacks } = target
  ${COLUMN_CONSTANTS}
  const { open, openPid } = state`,
    event: `const level = LEVEL_OF_FLAGS[${loads.load('p', common.flags.offset, 1, false)}]
      const pid = ${loads.load('p', common.pid.offset, 4, true)}
      const id = ${loads.load('p', common.type.offset, common.type.size, false)}
      switch (id) {
      ${cases.join('\n      ')}
      default:
        open[level] = ${CLOSED}
      }`,
    names: { tooShort, early, LEVEL_OF_FLAGS, OP_OF_ID: opOfId, probes, switches },
  })
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** The page_ref events and probes of any recording as lines: text in the manner of `trace-cmd report`, or JSON. */

import { DETECTORS } from '../trace/common/probe-fields.ts'
import { exactTimeText, timeText } from '../trace/common/times.ts'
import { type EventBatch, type Frame, isProbe, type LostEvents, OP_NAMES, Op, type Recording } from '../trace/events.ts'

/** Events that have a result. */
const HAS_RET = new Set<number>([Op.MOD_AND_TEST, Op.MOD_AND_RETURN, Op.MOD_UNLESS, Op.FREEZE])

const hex = (high: number, low: number) => `0x${((BigInt(high) << 32n) | BigInt(low)).toString(16)}`

/**
 * Calls `lost` for each gap that a batch reports, then `event` for each of its rows in order of time. Yields the joined results
 * of a batch.
 */
async function* lines(
  recording: Recording,
  lost: (gap: LostEvents) => string,
  event: (batch: EventBatch, row: number) => string,
): AsyncGenerator<string> {
  for await (const batch of recording.batches()) {
    let text = ''
    for (const gap of batch.lost) text += lost(gap)
    for (let i = 0; i < batch.length; i++) text += event(batch, batch.order[i]!)
    yield text
  }
}

/** Yields text in the format of `trace-cmd report`. A gap is shown at the start of the batch that reports it. */
export async function* eventText(recording: Recording): AsyncGenerator<string> {
  // For a text without a header the number of CPUs is not known yet.
  if (recording.info.cpus > 0) yield `cpus=${recording.info.cpus}\n`
  const stackTexts = new Map<number, string>()
  const stackText = (stack: number) => {
    let text = stackTexts.get(stack)
    if (text === undefined) {
      text = Array.from(recording.stacks.frames(stack), id => `=> ${frameText(recording.stacks.frame(id))}\n`).join('')
      stackTexts.set(stack, text)
    }
    return text
  }
  yield* lines(
    recording,
    ({ cpu, count, isUnknownChange }) => {
      const many = count === undefined ? '' : `${count} `
      if (!isUnknownChange) return `CPU:${cpu} [${many}EVENTS DROPPED]\n`
      return count === 0 ? '' : `CPU:${cpu} [CHANGE OF A COUNT BY AN UNKNOWN AMOUNT]\n`
    },
    (batch, row) => {
      const pid = batch.pid[row]!
      const task = `${recording.tasks.name(pid).padStart(16)}-${String(pid).padEnd(5)}`
      const head = `${task} [${String(batch.cpu[row]).padStart(3, '0')}] ${timeText(batch.time[row]!, recording).padStart(12)}: `
      const op = batch.op[row]!
      const values = isProbe(op) ? probeText(batch, row) : valuesText(batch, row)
      const line = `${head}${`${OP_NAMES[op]}: `.padEnd(22)}${values}\n`
      const stack = batch.stack[row]!
      return stack === 0 ? line : `${line}${head}kernel_stack:         <stack trace >\n${stackText(stack)}`
    },
  )
}

function valuesText(batch: EventBatch, row: number): string {
  const flags = hex(batch.flagsHigh[row]!, batch.flagsLow[row]!)
  const mapping = hex(batch.mappingHigh[row]!, batch.mappingLow[row]!)
  return [
    `pfn=0x${batch.pfn[row]!.toString(16)}`,
    `flags=${flags}`,
    `count=${batch.count[row]}`,
    `mapcount=${batch.mapcount[row]}`,
    `mapping=${mapping === '0x0' ? '(nil)' : mapping}`,
    `mt=${batch.mt[row]}`,
    `val=${batch.val[row]}`,
    ...(HAS_RET.has(batch.op[row]!) ? [`ret=${batch.ret[row]}`] : []),
  ].join(' ')
}

/** Returns the values of a probe; none if it only tells that something happened. */
function probeValues(batch: EventBatch, row: number) {
  const op = batch.op[row]!
  const [pfn, val] = [`0x${batch.pfn[row]!.toString(16)}`, batch.val[row]!]
  if (op === Op.REPORT) {
    const detector = DETECTORS[val] ?? (val < 0 ? String(val) : `0x${val.toString(16)}`)
    return { detector, address: hex(batch.mappingHigh[row]!, batch.mappingLow[row]!) }
  }
  if (op === Op.MEMUNMAP) return val === 0 ? {} : { pfn, pages: val }
  return op === Op.MEMUNMAP_END ? {} : { pfn }
}

function probeText(batch: EventBatch, row: number): string {
  const values = probeValues(batch, row)
  if (values.detector !== undefined) return `[${values.detector}] ${values.address.slice(2)}`
  return Object.entries(values)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ')
}

function frameText({ name, offset, module, address }: Frame): string {
  const place = offset === undefined ? name : `${name}+0x${offset.toString(16)}`
  const where = module === undefined ? place : `${place} [${module}]`
  return address === 0n ? where : `${where} (${address.toString(16)})`
}

/** Yields one line of JSON for each event, with its stack, and for each gap. */
export function eventJson(recording: Recording): AsyncGenerator<string> {
  const { tasks, stacks } = recording
  const stackJson = new Map<number, object[]>()
  const frames = (stack: number) => {
    let json = stackJson.get(stack)
    if (!json) stackJson.set(stack, (json = Array.from(stacks.frames(stack), id => frameJson(stacks.frame(id)))))
    return json
  }
  const time = (time: number) => (Number.isFinite(time) ? exactTimeText(time, recording) : undefined)
  return lines(
    recording,
    ({ cpu, count, from, to, isUnknownChange }) => {
      if (!isUnknownChange) return `${JSON.stringify({ lost: { cpu, count, from: time(from), to: time(to) } })}\n`
      return count === 0 ? '' : `${JSON.stringify({ unknownChange: { cpu, time: time(from) } })}\n`
    },
    (batch, row) => {
      const op = batch.op[row]!
      const head = {
        time: exactTimeText(batch.time[row]!, recording),
        cpu: batch.cpu[row],
        task: tasks.name(batch.pid[row]!),
        pid: batch.pid[row],
        event: OP_NAMES[op],
      }
      const values = isProbe(op) ? probeValues(batch, row) : pageRefValues(batch, row)
      const stack = batch.stack[row] === 0 ? undefined : frames(batch.stack[row]!)
      return `${JSON.stringify({ ...head, ...values, stack })}\n`
    },
  )
}

function pageRefValues(batch: EventBatch, row: number) {
  return {
    pfn: `0x${batch.pfn[row]!.toString(16)}`,
    flags: hex(batch.flagsHigh[row]!, batch.flagsLow[row]!),
    count: batch.count[row],
    mapcount: batch.mapcount[row],
    mapping: hex(batch.mappingHigh[row]!, batch.mappingLow[row]!),
    mt: batch.mt[row],
    val: batch.val[row],
    ret: HAS_RET.has(batch.op[row]!) ? batch.ret[row] : undefined,
  }
}

function frameJson({ name, offset, module, address }: Frame): object {
  return { function: name, offset, module, address: address === 0n ? undefined : `0x${address.toString(16)}` }
}

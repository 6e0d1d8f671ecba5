// SPDX-License-Identifier: GPL-2.0-or-later
/** What the fuzzer starts from: small recordings of every kind, each with the places of its numbers. */

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import {
  CONTEXT_KERNEL,
  CONTEXT_USER,
  type PerfRecord,
  type PerfSpec,
  Sample,
  writePerf,
} from '../../testkit/writers/perfdata.ts'
import { probeEvents } from '../../testkit/writers/probe-events.ts'
import {
  commonFields,
  type EventSpec,
  type FieldValues,
  type Mark,
  pageRefEvents,
  type SynthRecord,
  type TraceDatSpec,
  writeTraceDat,
} from '../../testkit/writers/tracedat.ts'

import { DUMP_SEEDS } from './dump-seeds.ts'
import { WATCH_SEEDS } from './watch-seeds.ts'

/** Changes a part of a recording before it is packed. */
export type Transform = (part: string, bytes: Uint8Array) => Uint8Array

export interface Seed {
  kind: string
  /** The whole file; with a transform, made anew. */
  make(transform?: Transform): { bytes: Uint8Array; marks: Mark[] }
  /** How many parts can be transformed; 0 where none can. */
  parts: number
  text: boolean
}

const OPS = ['set', 'mod', 'mod_and_test', 'mod_and_return', 'mod_unless', 'freeze', 'unfreeze']
const BASE = 0xffffffff81000000n
const KALLSYMS = Array.from(
  { length: 24 },
  (_, i) => `${(BASE + BigInt(i) * 64n).toString(16)} ${i % 3 ? 't' : 'T'} function_${i}${i > 20 ? '\t[zdbug]' : ''}\n`,
).join('')
const CMDLINES = '1 init\n42 my task\n43 kworker/0:1\n'

/** A few lives of some pages on one CPU, with stacks. */
function cpuRecords(cpu: number, longSize: number): SynthRecord[] {
  const base = longSize === 8 ? BASE : 0xc1000000n
  const records: SynthRecord[] = []
  let time = 1_000_000_000n + BigInt(cpu) * 300n
  for (let i = 0; i < 24; i++) {
    const pfn = 0x1000 + (i % 4)
    const get = i % 2 === 0
    const val = get ? 1 : -1
    const values = { pfn, flags: 0x11n, count: get ? 2 : 1, mapcount: -1, mapping: 0, mt: 1, val, ret: get ? 0 : 1 }
    records.push({ kind: 'event', time, event: `page_ref_${OPS[i % 7]}`, pid: 42 + (i % 2), values })
    const frames = [base + 16n, base + BigInt(64 * (i % 5)) + 8n, base + 777n]
    if (i % 3) records.push({ kind: 'stack', time: time + 1n, pid: 42 + (i % 2), frames })
    if (i === 9) records.push({ kind: 'discarded', time: time + 2n, bytes: 12 }, { kind: 'stamp', time: time + 10n })
    if (i === 12) records.push({ kind: 'lost', count: 3 })
    if (i === 15) records.push({ kind: 'extend', time: time + 20n }, { kind: 'lost' })
    time += i % 6 === 5 ? 1n << 28n : 1000n
  }
  return records
}

const VMEMMAP = 0xffffea0000000000n

/** Every probe in turn, now and then one that says nothing. */
function probe(i: number): { event: string; values: FieldValues } {
  const page = VMEMMAP + 64n * BigInt(0x1000 + (i % 4)) + BigInt(i % 11 === 10 ? 1 : 0)
  return [
    { event: 'lastput_alloc', values: { __probe_ip: BASE, page, vmemmap: VMEMMAP } },
    { event: 'lastput_use', values: { __probe_ip: BASE, pfn: 0x1000 + (i % 4) } },
    { event: 'lastput_free', values: { __probe_ip: BASE, page, vmemmap: VMEMMAP } },
    { event: 'lastput_memunmap', values: { __probe_ip: BASE, start: 0x1000000, end: 0x1003fff } },
    { event: 'error_report_end', values: { error_detector: i % 4, id: BASE + 8n } },
    { event: 'lastput_memunmap_end', values: { __probe_func: BASE, __probe_ret_ip: BASE + 64n } },
  ][i % 6]!
}

/** Records with a probe before every other event, which has a stack as its event does. */
function withProbes(records: SynthRecord[]): SynthRecord[] {
  let events = 0
  return records.flatMap((record, at) => {
    if (record.kind !== 'event' || events++ % 2) return [record]
    const { time, pid } = record
    const probed: SynthRecord[] = [{ kind: 'event', time, ...(pid !== undefined && { pid }), ...probe(events >> 1) }]
    const stack = records[at + 1]
    if (stack?.kind === 'stack') probed.push({ ...stack, time })
    return [...probed, record]
  })
}

/** A recording with probes, as `events` describe them. */
function probedDat(kind: string, spec: Omit<TraceDatSpec, 'buffers'>, events?: EventSpec[]): Seed {
  const longSize = spec.longSize ?? 8
  const described = [...pageRefEvents(longSize), ...(events ?? probeEvents(longSize))]
  return traceDat(kind, { ...spec, events: described }, withProbes)
}

function traceDat(
  kind: string,
  spec: Omit<TraceDatSpec, 'buffers'>,
  change: (records: SynthRecord[]) => SynthRecord[] = records => records,
): Seed {
  const longSize = spec.longSize ?? 8
  const cpus = new Map([0, 1].map(cpu => [cpu, change(cpuRecords(cpu, longSize))]))
  const second = { name: 'second', cpus: new Map([[1, cpuRecords(1, longSize).slice(0, 4)]]) }
  const whole = {
    pageSize: 1024,
    chunkPages: 2,
    kallsyms: KALLSYMS,
    cmdlines: CMDLINES,
    printk: `0x${BASE.toString(16)} : "text"\n`,
    ...spec,
    buffers: [{ name: '', cpus }, second],
  }
  return {
    kind,
    parts: 8,
    text: false,
    make: transform => writeTraceDat({ ...whole, ...(transform && { transform }) }),
  }
}

function perf(kind: string, spec: Omit<PerfSpec, 'records'>, probes = false): Seed {
  const records: PerfRecord[] = [
    { kind: 'mmap', pid: -1, start: BASE + 0x4000n, length: 0x1000n, file: '[zdbug]' },
    { kind: 'comm', pid: 42, name: 'my task' },
    { kind: 'fork', pid: 43, parent: 42 },
  ]
  for (let i = 0; i < 30; i++) {
    const values = {
      pfn: 0x1000 + (i % 4),
      flags: 0x11n,
      count: 1,
      mapcount: -1,
      mt: 1,
      val: i % 2 ? -1 : 1,
      ret: i % 2,
    }
    const chain = [CONTEXT_KERNEL, BASE + 16n, BASE + BigInt(64 * (i % 5)), CONTEXT_USER, 0x7f0000001000n]
    const time = 1_000_000_000n + BigInt(i ^ 3) * 100n
    records.push({ kind: 'sample', time, cpu: i % 2, pid: 42, event: `page_ref_${OPS[i % 7]}`, values, chain })
    if (probes) records.push({ kind: 'sample', time: time + 1n, cpu: i % 2, pid: 42, ...probe(i), chain })
    if (i % 8 === 7) records.push({ kind: 'round' })
    if (i === 20) records.push({ kind: 'lost', count: 4n, cpu: 1 }, { kind: 'throttle', cpu: 0, time })
  }
  records.push({ kind: 'lost-samples', count: 4n })
  const made = { kallsyms: KALLSYMS, ...spec, records }
  return { kind, parts: 0, text: false, make: () => writePerf(made) }
}

function fixed(kind: string, text: string | Uint8Array): Seed {
  const bytes = typeof text === 'string' ? new TextEncoder().encode(text) : text
  return { kind, parts: 0, text: typeof text === 'string', make: () => ({ bytes, marks: [] }) }
}

function ftraceText(): string {
  const lines = ['# tracer: nop', '#', '# entries-in-buffer/entries-written: 40/99   #P:2', '#']
  for (let i = 0; i < 40; i++) {
    const head = `         my task-${42 + (i % 2)}      [00${i % 2}] d..1.     1.${String(1000 + i).padStart(6, '0')}: `
    const name = OPS[i % 7]!
    const ret = i % 7 >= 2 && i % 7 <= 5 ? ` ret=${i % 2}` : ''
    const flags = ['none', 'reserved', 'locked|dirty|0x100000'][i % 3]
    lines.push(
      `${head}page_ref_${name}: pfn=0x${(0x1000 + (i % 4)).toString(16)} flags=${flags} count=1 mapcount=-1 mapping=00000000c0ffee00 mt=1 val=${i % 2 ? -1 : 1}${ret}`,
    )
    if (i % 2)
      lines.push(
        `${head}<stack trace>`,
        ' => get_page+0x10/0x20',
        ` => function_${i % 5}+0x8/0x40 [zdbug]`,
        ' => 0xffffffffc00060c0',
      )
    if (i === 11) lines.push('CPU:1 [LOST 12 EVENTS]')
    if (i === 15) lines.push('##### CPU 1 buffer started ####')
    if (i === 20) lines.push(`${head}sched_switch: prev_comm=a ==> next_comm=b`, `${head}<stack trace>`, ' => schedule')
  }
  return `${lines.join('\n')}\n`
}

/** Text of either kind with probes between the events: `head` gives what stands before them, `stack` follows some. */
function probedText(first: string, head: (i: number) => string, stack: string): string {
  const fields = 'flags=none count=1 mapcount=-1 mapping=(nil) mt=1'
  const site = '(page_free+0x0/0x60 [zdbug])'
  const lines = [first]
  for (let i = 0; i < 48; i++) {
    const page = `page=0xffffea0000040${i % 4}40 vmemmap=0xffffea0000000000`
    const probes = [
      `lastput_alloc: (zone_device_page_init+0x4/0x90) ${page}`,
      `lastput_use: pfn=0x100${i % 4}`,
      `lastput_free:         ${site} ${page}`,
      'lastput_memunmap:     (memunmap_pages+0x4/0x300) start=16777216 end=16793599',
      'error_report_end:     [warning] ffffffff81000008',
      'lastput_memunmap_end: (devm_memremap_pages_release+0x9/0x20 <- memunmap_pages)',
      'lastput_free: (page_free+0x0/0x60) page=(fault)',
    ]
    lines.push(
      `${head(i)}page_ref_mod: pfn=0x100${i % 4} ${fields} val=${i % 2 ? -1 : 1}`,
      `${head(i)}${probes[i % 7]}`,
    )
    if (i % 3) lines.push(`${head(i)}${stack}`, ' => page_free+0x10/0x20', ` => function_${i % 5}+0x8/0x40 [zdbug]`)
  }
  return `${lines.join('\n')}\n`
}

const tracefsHead = (i: number) =>
  `         my task-42      [00${i % 2}] d..1.     1.${String(1000 + i).padStart(6, '0')}: `
const reportHead = (i: number) => `          insmod-105   [00${i % 2}]     5.${935054 + i}: `

function traceCmdText(): string {
  const lines = ['cpus=2']
  for (let i = 0; i < 40; i++) {
    const head =
      i % 5
        ? `          insmod-105   [00${i % 2}]     5.${935054 + i}: `
        : `  insmod-105     ${i % 2}d.h1.     5.${935054 + i}: `
    lines.push(
      `${head}page_ref_set:         pfn=0xfcf8${i}00 flags=0x2000 count=1 mapcount=0 mapping=(nil) mt=0 val=${i % 3}`,
    )
    if (i % 3)
      lines.push(
        `${head}kernel_stack:         <stack trace >`,
        '=> __page_ref_set (ffffffff812d95ee)',
        '=> ffffffffc00060c0',
      )
    if (i % 13 === 12) lines.push('CPU:0 [7 EVENTS DROPPED]')
    if (i === 20) lines.push(`second: ${head}page_ref_set: pfn=0x1 flags=none count=1 val=1`)
  }
  return `${lines.join('\n')}\n`
}

const example = readFileSync(fileURLToPath(new URL(rootOf(import.meta.url), import.meta.url)))

/** The example's path from here, compiled or not. */
function rootOf(url: string): string {
  return url.includes('/.tools/') ? '../../../examples/leak-6.12/trace.dat' : '../../examples/leak-6.12/trace.dat'
}

const { ADDR, ID, STREAM_ID, READ } = Sample
const wideEvents = pageRefEvents(8).map(event => ({
  ...event,
  fields: [
    ...commonFields(),
    { name: 'owner', type: 'char', size: 1, signed: false, count: 16 },
    ...event.fields.slice(4).reverse(),
  ],
}))

/** Probes whose fields have odd sizes, stand on each other, or are of no use. */
const oddProbes = probeEvents(8).map((event, index) => ({
  ...event,
  fields: event.fields.map((field, at) =>
    at < 5
      ? field
      : { ...field, size: [1, 2, 4, 8][(at + index) % 4]!, offset: 12 + index * (at - 4), signed: at % 2 === 0 },
  ),
}))

/** Recordings. */
export const RECORDING_SEEDS: readonly Seed[] = [
  traceDat('v6', { version: 6 }),
  traceDat('v6-be', { version: 6, bigEndian: true, longSize: 4 }),
  traceDat('v7-none', { version: 7 }),
  traceDat('v7-none-be', { version: 7, bigEndian: true }),
  traceDat('v7-none-32', { version: 7, longSize: 4, longLengths: true }),
  traceDat('v7-none-wide', { version: 7, events: wideEvents }),
  traceDat('v7-zlib', { version: 7, compression: 'zlib' }),
  traceDat('v7-zstd', { version: 7, compression: 'zstd' }),
  fixed('v7-real', example),
  fixed('text-ftrace', ftraceText()),
  fixed('text-trace-cmd', traceCmdText()),
  perf('perf', {}),
  perf('perf-be', { bigEndian: true, sampleType: ADDR | ID | STREAM_ID, identifier: false }),
  perf('perf-read', { sampleType: READ, readFormat: 0b11111 }),
  perf('perf-pipe', { pipe: true }),
  perf('perf-packed', { packed: true }),
  perf('perf-pipe-packed2', { packed2: true, pipe: true, sampleIdAll: false }),
  probedDat('probes-v6', { version: 6 }),
  probedDat('probes-v7-be-32', { version: 7, bigEndian: true, longSize: 4 }),
  probedDat('probes-v7-zstd', { version: 7, compression: 'zstd' }),
  probedDat('probes-v7-odd', { version: 7 }, oddProbes),
  fixed('probes-text-ftrace', probedText('# tracer: nop', tracefsHead, '<stack trace>')),
  fixed('probes-text-trace-cmd', probedText('cpus=2', reportHead, 'kernel_stack:         <stack trace >')),
  perf('probes-perf', { events: [...pageRefEvents(8), ...probeEvents(8)] }, true),
]

export const SEEDS: readonly Seed[] = [...RECORDING_SEEDS, ...WATCH_SEEDS, ...DUMP_SEEDS]

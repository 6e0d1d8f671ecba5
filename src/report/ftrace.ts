// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Steps of the model as text of tracefs' `trace` file (Documentation/trace/ftrace.rst), as `lastput trace` reads it: page_ref
 * events, probes and the kernel's reports, each with its stack. Each thread is a task on a CPU of its own.
 */

import { idle_count } from '../linux/mm/page_count.ts'
import { is_page_ref, type PageRefEvent, type TraceEvent } from '../linux/mm/trace_events.ts'
import type { Built } from '../linux/scenario/build.ts'
import type { SimulatedStep } from '../linux/scenario/simulator.ts'
import type { DevPagemap } from '../linux/types.ts'
import { printable } from './printable.ts'

const HEADER = `# tracer: nop
#
# entries-in-buffer/entries-written: ENTRIES/ENTRIES   #P:CPUS
#
#                                _-----=> irqs-off/BH-disabled
#                               / _----=> need-resched
#                              | / _---=> hardirq/softirq
#                              || / _--=> preempt-depth
#                              ||| / _-=> migrate-disable
#                              |||| /     delay
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
#              | |         |   |||||     |         |
`

/** memremap_pages() runs before the model begins; its task comes before the threads, and ends the recording. */
const MEMREMAP: Task = { name: 'memremap', pid: 100, cpu: 0 }
const FIRST_PID = 101
/** Where the clock stands when the model begins, in microseconds. */
const START_US = 1_000_000
/**
 * Time between two steps, in microseconds: far more than the clocks of real CPUs differ, so that the order of stamps is certain.
 */
const STEP_US = 100_000
const PAGE_SIZE = 4096n

/** Rounds of an endless execution that are written, and events beyond which no other round begins. */
const ROUNDS = 200
const MAX_EVENTS = 20_000
/** How long an endless execution without events lasts, in microseconds: the kernel's default timeout for hung tasks. */
const HUNG_US = 120_000_000

/** Helper functions of the model that emit a probe. No kernel has them, so they are left out of stacks. */
const HELPERS: ReadonlySet<string> = new Set(['touch_page', 'touch_freed_page', 'touch_freed', 'hand_out', 'file_free'])

interface Task {
  readonly name: string
  readonly pid: number
  readonly cpu: number
}

/** An execution that never ends. */
export interface Endless {
  /** The step (from 1) that is taken again after the last one; undefined where nothing moves any more. */
  readonly loop: number | undefined
}

/** The whole file: how memremap_pages() set the counts, then the steps' events; of an endless execution a long beginning. */
export function ftraceText(built: Built, steps: readonly SimulatedStep[], endless?: Endless): string {
  const text = new FtraceText(built.system.threads.map(t => t.name))
  for (const [event, stack] of initial(built)) text.add(START_US, MEMREMAP, pageRef(event, stack))
  let us = START_US
  for (const s of steps) text.step((us += STEP_US), s)
  const loop = endless?.loop === undefined ? [] : steps.slice(endless.loop - 1)
  for (let round = 1; round < ROUNDS && text.events < MAX_EVENTS; round++)
    for (const s of loop) text.step((us += STEP_US), s)
  const silent = endless && loop.every(s => s.trace.length === 0)
  text.mark(us + (silent ? HUNG_US : STEP_US))
  return text.whole()
}

class FtraceText {
  private readonly threads: readonly string[]
  private readonly lines: string[] = []
  /** By pfn: how often page_free() was entered for a page that its driver has not yet put on its free list. */
  private readonly freeing = new Map<number, number>()
  events = 0

  constructor(threads: readonly string[]) {
    this.threads = threads
  }

  step(us: number, step: SimulatedStep): void {
    const cpu = this.threads.indexOf(step.thread)
    const task = { name: step.thread.replace(/[^\w]/g, '_').slice(0, 15), pid: FIRST_PID + cpu, cpu: cpu + 1 }
    for (const event of step.trace)
      if (!this.toldAtEntry(event))
        this.add(us, task, is_page_ref(event) ? pageRef(event, step.stack) : probe(event, step))
  }

  add(us: number, task: Task, { text, stack }: Entry): void {
    const shown = [line(us, task, text), line(us, task, '<stack trace>'), ...stack.map(f => ` => ${f}`)]
    this.lines.push(...shown.map(printable))
    this.events += 2
  }

  /**
   * Writes a marker, as `echo` into trace_marker does. It shows that the recording went on until then, without further events.
   */
  mark(us: number): void {
    this.lines.push(line(us, MEMREMAP, 'tracing_mark_write: end of the recording'))
    this.events++
  }

  whole(): string {
    const header = HEADER.replaceAll('ENTRIES', String(this.events)).replace('CPUS', String(this.threads.length + 1))
    return `${header}${this.lines.join('\n')}\n`
  }

  /** True if the page is put on the free list within its owner's page_free(), whose entry the probe has already recorded. */
  private toldAtEntry(event: TraceEvent): boolean {
    if (event.event !== 'lastput_free') return false
    const freeing = this.freeing.get(event.pfn) ?? 0
    if (event.entered === undefined && freeing === 0) return false
    this.freeing.set(event.pfn, event.entered === undefined ? freeing - 1 : freeing + 1)
    return event.entered === undefined
  }
}

/** An event's text after its name and time, and its stack. */
interface Entry {
  readonly text: string
  readonly stack: readonly string[]
}

function pageRef(e: PageRefEvent, stack: readonly string[]): Entry {
  return { text: pageRefText(e), stack: [`__${e.event}`, ...stack] }
}

/** A probe or a report. A probe at a function's entry sees neither what it calls nor where in it the step stands. */
function probe(e: Exclude<TraceEvent, PageRefEvent>, step: SimulatedStep): Entry {
  const stack = step.stack.filter(f => !HELPERS.has(f))
  const from = (at: number) => stack.slice(Math.max(0, at))
  switch (e.event) {
    case 'error_report_end':
      return { text: `${e.event}: [warning] ${addressOf(step)}`, stack }
    case 'lastput_memunmap': {
      const at = from(stack.lastIndexOf('memunmap_pages'))
      return { text: `${e.event}: (${at[0]}) ${rangeText(e.pgmap)}`, stack: at }
    }
    case 'lastput_memunmap_end': {
      const at = from(stack.lastIndexOf('memunmap_pages') + 1)
      return { text: `${e.event}: (${at[0] ?? step.thread} <- memunmap_pages)`, stack: at }
    }
    default: {
      const at = from(e.entered === undefined ? 0 : stack.indexOf(e.entered))
      return { text: `${e.event}: (${at[0] ?? step.function}) pfn=0x${e.pfn.toString(16)}`, stack: at }
    }
  }
}

/** Returns the events of initialisation: each page is set to 1 and, if free pages of its type have 0, then to 0. */
function initial(built: Built): [PageRefEvent, string[]][] {
  const { pgmap } = built.kernel
  return pgmap.pages.flatMap(({ pfn }) => {
    const set = (val: number, mapcount: number): PageRefEvent => ({
      event: 'page_ref_set',
      pfn,
      count: val,
      mapcount,
      locked: false,
      val,
    })
    const first: [PageRefEvent, string[]] = [
      set(1, 0),
      ['__init_zone_device_page', 'memmap_init_zone_device', 'memremap_pages'],
    ]
    return idle_count(pgmap) === 1 ? [first] : [first, [set(0, -1), ['memmap_init_zone_device', 'memremap_pages']]]
  })
}

function line(us: number, task: Task, what: string): string {
  const who = `${task.name}-${task.pid}`.padStart(22)
  const seconds = `${Math.floor(us / 1e6)}.${String(us % 1e6).padStart(6, '0')}`
  return `${who}  [${String(task.cpu).padStart(3, '0')}] ..... ${seconds.padStart(12)}: ${what}`
}

function pageRefText(e: PageRefEvent): string {
  const flags =
    e.mapcount === 0 && e.event === 'page_ref_set' && !e.locked ? 'none' : e.locked ? 'locked|reserved' : 'reserved'
  const ret = e.ret === undefined ? '' : ` ret=${e.ret}`
  return `${e.event}: pfn=0x${e.pfn.toString(16)} flags=${flags} count=${e.count} mapcount=${e.mapcount} mapping=0000000000000000 mt=1 val=${e.val}${ret}`
}

/** `struct range` of the pagemap: bytes, the last one included. */
function rangeText({ pages }: DevPagemap): string {
  const start = BigInt(pages[0]!.pfn) * PAGE_SIZE
  const end = start + BigInt(pages.length) * PAGE_SIZE - 1n
  return `start=0x${start.toString(16)} end=0x${end.toString(16)}`
}

/**
 * Returns an invented address for each place that warns, because the model has none. Different places get different addresses.
 */
function addressOf({ function: where, operation }: SimulatedStep): string {
  let hash = 0
  for (const c of `${where} ${operation}`) hash = (Math.imul(hash, 31) + c.charCodeAt(0)) & 0xffffff
  return `ffffffff81${hash.toString(16).padStart(6, '0')}`
}

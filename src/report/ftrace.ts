// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Steps of the model as text of tracefs' `trace` file (Documentation/trace/ftrace.rst), as `lastput trace` reads it: each
 * page_ref event with its stack. Each thread is a task; every step is a microsecond.
 */
import type { Built } from '../linux/kernel.ts'
import type { MachineStep } from '../linux/machine.ts'
import { idle_count } from '../linux/mm/page_count.ts'
import type { PageRefEvent } from '../linux/mm/page_ref.ts'

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

/** memremap_pages() runs before the model begins; its task comes before the threads. */
const MEMREMAP = { name: 'memremap', pid: 100, cpu: 0 }
const FIRST_PID = 101
/** Where the clock stands when the model begins, in microseconds. */
const START_US = 1_000_000

interface Task {
  readonly name: string
  readonly pid: number
  readonly cpu: number
}

/** The whole file: how memremap_pages() set the counts, then the steps' events. */
export function ftraceText(built: Built, steps: readonly MachineStep[]): string {
  const names = built.system.threads.map(t => t.name)
  const lines: string[] = []
  let entries = 0
  const add = (us: number, task: Task, event: PageRefEvent, stack: readonly string[]) => {
    lines.push(line(us, task, eventText(event)), line(us, task, '<stack trace>'))
    for (const f of [`__${event.event}`, ...stack]) lines.push(` => ${f}`)
    entries += 2
  }
  for (const [event, stack] of initial(built)) add(START_US, MEMREMAP, event, stack)
  for (const s of steps) {
    const cpu = names.indexOf(s.thread)
    const task = { name: s.thread.replace(/[^\w]/g, '_').slice(0, 15), pid: FIRST_PID + cpu, cpu: cpu + 1 }
    for (const event of s.events) add(START_US + s.step, task, event, s.stack)
  }
  return `${HEADER.replaceAll('ENTRIES', String(entries)).replace('CPUS', String(names.length + 1)) + lines.join('\n')}\n`
}

/** Every page starts with count 1, and types whose free pages have 0 are set to that. */
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

function eventText(e: PageRefEvent): string {
  const flags =
    e.mapcount === 0 && e.event === 'page_ref_set' && !e.locked ? 'none' : e.locked ? 'locked|reserved' : 'reserved'
  const ret = e.ret === undefined ? '' : ` ret=${e.ret}`
  return `${e.event}: pfn=0x${e.pfn.toString(16)} flags=${flags} count=${e.count} mapcount=${e.mapcount} mapping=0000000000000000 mt=1 val=${e.val}${ret}`
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** `lastput explain`: a protocol's rule in words, and the life of a page as the model lives it. */
import { drivers } from '../linux/drivers/index.ts'
import { build } from '../linux/kernel.ts'
import { Machine, type MachineStep } from '../linux/machine.ts'
import { PAGE_RULES } from '../linux/protocols/rules.ts'
import { BUSY, type MemoryType, type Protocol } from '../linux/types.ts'
import { table } from './table.ts'
import { wrap } from './words.ts'

/** Who shows the life of which type, and by which threads, one after the other. */
const LIVES: readonly { type: MemoryType; driver: string; threads: readonly string[] }[] = [
  { type: 'PRIVATE', driver: 'test_hmm', threads: ['migrate', 'exit', 'unbind'] },
  { type: 'FS_DAX', driver: 'fsdax', threads: ['fault', 'gup', 'exit', 'truncate', 'unbind'] },
  { type: 'GENERIC', driver: 'device_dax', threads: ['fault', 'gup', 'exit', 'unbind'] },
  { type: 'PCI_P2PDMA', driver: 'p2pdma', threads: ['mmap', 'gup', 'alloc', 'exit', 'unbind'] },
]

export function explainText(protocol: Protocol): string {
  const lines = [`${protocol.id} ${protocol.name}: ${protocol.where}`, '', ...wrap(protocol.words, '', ''), '']
  lines.push(...rulesTable(protocol), '')
  for (const life of LIVES) {
    const driver = drivers.find(d => d.name === life.driver)!
    if (!driver.protocols.includes(protocol.id)) continue
    lines.push(`the life of a ${life.type} page (${life.driver})`, ...lifeOf(protocol, life.driver, life.threads), '')
  }
  return `${lines.join('\n').trimEnd()}\n`
}

function rulesTable(protocol: Protocol): string[] {
  const types = Object.keys(PAGE_RULES[protocol.id]) as MemoryType[]
  const rows = types.map(type => {
    const rule = PAGE_RULES[protocol.id][type]
    return [
      type,
      String(rule.idle),
      { set: 'sets the count to 1', get: 'takes a reference', none: 'hands out the one there is' }[rule.handOut],
      protocol.pte_holds_reference(type) ? 'yes' : 'no',
      String(protocol.pgmap_refs_per_page(type) + (protocol.busy_page_holds_pgmap(type) ? 1 : 0)),
    ]
  })
  return table(['type', 'idle', 'idle to busy', 'mapping counts', 'pagemap refs of a busy page'], rows)
}

/** Runs the threads in turn and tells what becomes of page 0 and of the pagemap. */
function lifeOf(protocol: Protocol, name: string, wanted: readonly string[]): string[] {
  const driver = drivers.find(d => d.name === name)!
  const roles = Object.keys(build({ driver, protocol }).parts.roles)
  const threads = wanted.filter(t => roles.includes(t))
  const built = build({ driver, protocol, pages: 1, vas: 1, threads: Object.fromEntries(threads.map(t => [t, 1])) })
  const machine = new Machine(built)
  for (const t of threads) machine.finish(t)
  const page = built.kernel.pgmap.pages[0]!
  const life = machine.steps.flatMap(s => s.changes.filter(c => c.cell === page._refcount.name))
  const diagram = [page._refcount.init, ...life.map(c => c.to)].map(n => `(${n})`).join(' -> ')
  const rows = machine.steps.flatMap(s => row(s, page._refcount.name, page.life.name, built.kernel.pgmap.ref.name))
  return [`  count ${diagram}`, ...table(['', 'thread', 'function', 'count', 'pagemap ref', ''], rows)]
}

function row(step: MachineStep, count: string, life: string, ref: string): string[][] {
  const change = (name: string) => step.changes.find(c => c.cell === name)
  const [c, l, r] = [change(count), change(life), change(ref)]
  if (!c && !l && !r && step.events.length === 0) return []
  const arrow = (x: { from: number; to: number } | undefined) => (x ? `${x.from} -> ${x.to}` : '')
  const told = l ? (l.to === BUSY ? 'leaves the free list' : 'is free again') : ''
  return [['', step.thread, step.function, arrow(c), arrow(r), told]]
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** `lastput explain`: a protocol's rule in words, and the life of a page as the model lives it. */
import { drivers } from '../linux/drivers/index.ts'
import { PAGE_RULES } from '../linux/protocols/rules.ts'
import { build } from '../linux/scenario/build.ts'
import { type SimulatedStep, Simulator } from '../linux/scenario/simulator.ts'
import { BUSY, type MemoryType, type Protocol } from '../linux/types.ts'
import type { KernelPromise } from '../promises/promises.ts'
import { promiseJson } from './promises.ts'
import { table } from './table.ts'
import { wrap } from './words.ts'

/** By type of memory: the driver and its threads, run one after the other, that show the life of a page. */
const LIVES: readonly { type: MemoryType; driver: string; threads: readonly string[] }[] = [
  { type: 'PRIVATE', driver: 'test_hmm', threads: ['migrate', 'exit', 'unbind'] },
  { type: 'FS_DAX', driver: 'fsdax', threads: ['fault', 'gup', 'exit', 'truncate', 'unbind'] },
  { type: 'GENERIC', driver: 'device_dax', threads: ['fault', 'gup', 'exit', 'unbind'] },
  { type: 'PCI_P2PDMA', driver: 'p2pdma', threads: ['mmap', 'gup', 'alloc', 'exit', 'unbind'] },
]

export function explainText(protocol: Protocol): string {
  const lines = [
    ...wrap(`${protocol.id} ${protocol.name}: ${protocol.where}`, '', '  '),
    '',
    ...wrap(protocol.words, '', ''),
    '',
  ]
  lines.push(...rulesTable(protocol), '')
  for (const life of LIVES) {
    const driver = drivers.find(d => d.name === life.driver)!
    if (!driver.protocols.includes(protocol.id)) continue
    const article = life.type.startsWith('F') ? 'an' : 'a'
    lines.push(
      `the life of ${article} ${life.type} page (${life.driver})`,
      ...lifeOf(protocol, life.driver, life.threads),
      '',
    )
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
      pagemapRefs(protocol, type),
    ]
  })
  return table(['type', 'idle', 'idle to busy', 'mapping counts', 'pagemap refs'], rows)
}

/** The references on the pagemap that a page has from memremap_pages() on, and in all while it is busy where these are more. */
function pagemapRefs(protocol: Protocol, type: MemoryType): string {
  const idle = protocol.pgmap_refs_per_page(type)
  return protocol.busy_page_holds_pgmap(type) ? `${idle}, busy ${idle + 1}` : `${idle}`
}

/** Runs the threads one after the other, and returns lines on what happens to page 0 and to the pagemap. */
function lifeOf(protocol: Protocol, name: string, wanted: readonly string[]): string[] {
  const { initial, steps } = lifeSteps(protocol, name, wanted)
  const diagram = [initial, ...steps.flatMap(s => (s.count ? [s.count.to] : []))].map(n => `(${n})`).join(' -> ')
  const arrow = (x: Change | undefined) => (x ? `${x.from} -> ${x.to}` : '')
  const rows = steps.map(s => ['', s.thread, s.function, arrow(s.count), arrow(s.pagemapRef), s.told ?? ''])
  return [`  count ${diagram}`, ...table(['', 'thread', 'function', 'count', 'pagemap ref', ''], rows)]
}

interface Change {
  from: number
  to: number
}

/** The effect of a step on the page and its count. */
export interface LifeStep {
  thread: string
  function: string
  count?: Change
  pagemapRef?: Change
  told?: string
}

function lifeSteps(
  protocol: Protocol,
  name: string,
  wanted: readonly string[],
): { initial: number; steps: LifeStep[] } {
  const driver = drivers.find(d => d.name === name)!
  const roles = Object.keys(build({ driver, protocol }).parts.roles)
  const threads = wanted.filter(t => roles.includes(t))
  const built = build({ driver, protocol, pages: 1, vas: 1, threads: Object.fromEntries(threads.map(t => [t, 1])) })
  const simulator = new Simulator(built)
  for (const t of threads) simulator.finish(t)
  const page = built.kernel.pgmap.pages[0]!
  const names = { count: page._refcount.name, life: page.life.name, ref: built.kernel.pgmap.ref.name }
  return { initial: page._refcount.init, steps: simulator.steps.flatMap(s => lifeStep(s, names)) }
}

function lifeStep(step: SimulatedStep, names: { count: string; life: string; ref: string }): LifeStep[] {
  const change = (name: string) => step.changes.find(c => c.cell === name)
  const [count, life, ref] = [change(names.count), change(names.life), change(names.ref)]
  if (!count && !life && !ref && step.events.length === 0) return []
  const of = ({ from, to }: Change): Change => ({ from, to })
  return [
    {
      thread: step.thread,
      function: step.function,
      ...(count ? { count: of(count) } : {}),
      ...(ref ? { pagemapRef: of(ref) } : {}),
      ...told(step, life),
    },
  ]
}

function told({ events }: SimulatedStep, life: Change | undefined): Pick<LifeStep, 'told'> {
  if (life) return { told: life.to === BUSY ? 'leaves the free list' : 'is free again' }
  return events.some(e => e.event === 'page_ref_mod_unless' && e.ret === 0) ? { told: 'is found free' } : {}
}

/** `lastput.explain/2`: protocols in words with the life of a page of each type as the model lives it, and promises. */
export function explainJson(wanted: readonly Protocol[], promises: readonly KernelPromise[]): object {
  return {
    schema: 'lastput.explain/2',
    promises: promises.map(promiseJson),
    protocols: wanted.map(protocol => ({
      id: protocol.id,
      name: protocol.name,
      where: protocol.where,
      words: protocol.words,
      lives: LIVES.filter(({ driver }) => drivers.find(d => d.name === driver)!.protocols.includes(protocol.id)).map(
        ({ type, driver, threads }) => ({
          type,
          driver,
          idle: PAGE_RULES[protocol.id][type].idle,
          mappingCounts: protocol.pte_holds_reference(type),
          ...lifeSteps(protocol, driver, threads),
        }),
      ),
    })),
  }
}

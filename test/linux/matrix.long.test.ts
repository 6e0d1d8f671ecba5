// SPDX-License-Identifier: GPL-2.0-or-later
// docs/matrix.md is what `lastput check --matrix` finds, and says of each broken cell why it is broken.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { survey } from '../../src/checker/index.ts'
import { build, drivers, properties } from '../../src/linux/index.ts'
import { causeOf, causes } from '../../src/linux/scenario/causes.ts'
import { type MatrixSystem, matrix } from '../../src/linux/scenario/matrix.ts'
import { MatrixText, matrixRow } from '../../src/report/matrix.ts'

/** Larger ones are left to the command. */
const STATES = 13_000
const SIZE = { pages: 2, vas: 2 }
const names = Object.keys(properties)

interface Documented {
  marks: readonly string[]
  states: number
}

function documented(): Map<string, Documented> {
  const lines = readFileSync(join(import.meta.dirname, '../../docs/matrix.md'), 'utf8').split('\n')
  const rows = new Map<string, Documented>()
  let of = ''
  for (const line of lines) {
    if (/^\w+, [\w ]+$/.test(line)) of = line
    const words = line.trim().split(/\s+/)
    if (!/^ {2}[A-G]'? +[([\d+?-]/.test(line) || words.length !== names.length + 3) continue
    rows.set(`${of}, ${words[0]}`, { marks: words.slice(1, -2), states: Number(words.at(-2)!.replaceAll(',', '')) })
  }
  return rows
}

const keyOf = ({ scenario, system }: MatrixSystem) => `${system.driver.name}, ${scenario}, ${system.protocol.id}`
const table = documented()
const systems = matrix(drivers, SIZE)

async function marksOf(of: MatrixSystem): Promise<string[]> {
  const verdicts = await survey(build(of.system).system, { properties: names, explain: false })
  return names.map(n => {
    const { verdict, consequence, steps, vacuous, assumes } = verdicts.get(n)!
    if (vacuous) return '-'
    if (verdict === 'holds') return assumes ? '[+]' : '+'
    return verdict === 'violated' ? (consequence ? `(${steps})` : `${steps}`) : '?'
  })
}

test('docs/matrix.md has every system, and decides every cell', () => {
  expect([...table.keys()]).toEqual(systems.map(keyOf))
  expect([...table.values()].flatMap(r => r.marks).filter(m => m === '?')).toEqual([])
})

test('every broken cell that is no consequence has its cause, and every cause its cell', () => {
  const used = new Set<unknown>()
  const unexplained: string[] = []
  for (const of of systems) {
    const { driver, protocol } = of.system
    for (const [i, mark] of table.get(keyOf(of))!.marks.entries()) {
      if (!/^\d+$/.test(mark)) continue
      const { name, type } = driver
      const cause = causeOf({ driver: name, type, protocol: protocol.id, scenario: of.scenario, property: names[i]! })
      if (cause) used.add(cause)
      else unexplained.push(`${keyOf(of)}: ${names[i]}`)
    }
  }
  expect(unexplained).toEqual([])
  expect(causes.filter(c => !used.has(c))).toEqual([])
})

test('the summary in docs/thread-2020.md is that of the table', () => {
  const ids = ['A', 'B', 'C', "C'", 'D', 'E', 'F', 'G']
  const rows = drivers.map(driver => {
    const cells = ids.map(id => {
      const under = systems.filter(s => s.system.driver === driver && s.system.protocol.id === id)
      if (under.length === 0) return ''
      const tags = under.flatMap(of =>
        table.get(keyOf(of))!.marks.flatMap((mark, i) => {
          const { name, type } = driver
          const cell = { driver: name, type, protocol: id, scenario: of.scenario, property: names[i]! }
          const cause = /^\d+$/.test(mark) ? causeOf(cell) : undefined
          return cause ? [cause.bug ?? cause.tag!] : []
        }),
      )
      return [...new Set(tags)].sort().join(', ') || 'holds'
    })
    return `| ${driver.name} | ${cells.join(' | ')} |`
  })
  const text = readFileSync(join(import.meta.dirname, '../../docs/thread-2020.md'), 'utf8')
  expect(text.split('\n').filter(l => rows.some(r => l.startsWith(r.slice(0, r.indexOf('|', 2)))))).toEqual(rows)
})

describe('as documented', () => {
  const small = systems.filter(s => table.get(keyOf(s))!.states <= STATES)
  test('most are tried here', () => expect(small.length).toBeGreaterThan(systems.length / 2))
  test.each(small.map(s => [keyOf(s), s] as const))('%s', async (key, of) => {
    expect(await marksOf(of)).toEqual(table.get(key)!.marks)
  })
})

describe('the change that a cause asks for makes the whole row hold', () => {
  test.each([
    ['p2pdma', 'p2pdma_error_puts_page', ['teardown', 'pinned', 'kernel users']],
    ['nouveau_dmem', 'nouveau_waits_for_pages', ['teardown']],
    ['book3s_hv_uvmem', 'uvmem_reads_pvt_first', ['teardown', 'users only', 'pfn walker']],
    ['device_dax', 'device_dax_waits_for_pins', ['teardown']],
    ['kfd_migrate', 'svm_waits_for_page_free', ['teardown', 'users only', 'pfn walker']],
    ['fsdax', 'layout_break_unmaps_again', ['mappings stay']],
  ] as const)('%s with %s', async (name, fix, scenarios) => {
    const mended = matrix([drivers.find(d => d.name === name)!], { ...SIZE, adds: [fix] }).filter(
      s => s.system.protocol.id === 'G' && (scenarios as readonly string[]).includes(s.scenario),
    )
    expect(mended).toHaveLength(scenarios.length)
    for (const of of mended)
      expect([of.scenario, ...(await marksOf(of)).filter(mark => /\d|\?/.test(mark))]).toEqual([of.scenario])
  })
})

test('the table says in its lines what its rows do not', async () => {
  const text = new MatrixText(['finishes', 'warn'])
  const of = matrix([drivers.find(d => d.name === 'nouveau_dmem')!], { pages: 1, vas: 1 })
  const printed: string[] = [text.head()]
  for (const [i, limits] of [{}, { memory: 1 }].entries()) {
    const system = of.filter(s => s.scenario === 'teardown').at(-1 - i)!
    const built = build(system.system)
    const options = { properties: ['warn', 'finishes'], explain: false, ...limits }
    printed.push(text.row(matrixRow(system, built, await survey(built.system, options))))
  }
  const end = text.end(1)
  expect(printed[0]).toContain('ends  finishes: every started memunmap_pages() returns')
  expect(printed[1]).toMatch(/^\nnouveau_dmem, teardown\n {2}1 page, 1 address, 4 threads \(/)
  expect(printed[1]).toMatch(/\n {2}G +\d+ +\+ +[\d,]+ +[\d.]+\n$/)
  expect(printed[2]).toMatch(/^ {2}F +\? +\? /)
  expect(end).toContain('  G, warn: bug new-6: ')
  expect(end).toContain('  F, warn ends: out of memory after')
  expect(end).toContain(
    '2 systems, 1 promise kept, 0 that nothing there can break, 1 broken (0 of them\nonly after another), 2 not',
  )
})

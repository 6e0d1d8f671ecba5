// SPDX-License-Identifier: GPL-2.0-or-later
// The same filters in `trace`, `who` and `events`: what they let through is what is there, and what names nothing is refused.
import { beforeAll, describe, expect, test } from 'vitest'
import { lastput } from '../support/in-process.ts'

const LEAK = 'examples/leak-6.12/trace.dat'

interface Shown {
  time: string
  pid: number
  task: string
  event: string
  pfn?: string
  stack?: { function: string }[]
}

const linesOf = (stdout: string): Shown[] =>
  stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))

const events = async (...args: string[]) => linesOf((await lastput('events', LEAK, '--json', ...args)).stdout)
let all: Shown[]
beforeAll(async () => {
  all = await events()
})

describe('lastput events', () => {
  const hasFunction = (name: string) => (event: Shown) => event.stack?.some(frame => frame.function === name) ?? false
  test.each<[args: string[], isWanted: (event: Shown) => boolean]>([
    [['--event', 'page_ref_set'], event => event.event === 'page_ref_set'],
    [['--event', 'page_ref_set', '--event', 'page_ref_mod'], event => /_(set|mod)$/.test(event.event)],
    [['--function', 'zdbug_user_get'], hasFunction('zdbug_user_get')],
    [
      ['--function', 'zdbug_user_get', '--function', 'zdbug_alloc'],
      event => hasFunction('zdbug_user_get')(event) || hasFunction('zdbug_alloc')(event),
    ],
    [
      ['--function', 'zdbug_alloc', '--event', 'page_ref_set'],
      e => hasFunction('zdbug_alloc')(e) && e.event === 'page_ref_set',
    ],
    [['--task', 'insmod'], event => event.task === 'insmod'],
    [['--task', '105'], event => event.pid === 105],
    [['--pagemap', '0xfcf83fc'], () => true],
    [['--pagemap', '0xfcf83fc', '--pfn', '0xfcf8000'], event => event.pfn === '0xfcf8000'],
  ])('%j', async (args, isWanted) => {
    const wanted = all.filter(isWanted)
    expect(wanted.length).toBeGreaterThan(0)
    expect(await events(...args)).toEqual(wanted)
  })

  test.each([
    [['--event', 'page_ref'], 'expected one of page_ref_set, page_ref_mod'],
    [['--function', 'nosuch'], 'no event is one of those that are asked for'],
    [['--task', 'nosuch'], 'no event is one of those that are asked for'],
    [['--pagemap', '0x1'], 'no pagemap has it; its pagemaps are'],
    [['--pagemap', '0xfcf8000', '--pfn', '0x1'], '--pfn 0x1: not in the pagemap of --pagemap, 0xfcf8000-0xfcf83ff'],
  ])('%j is refused', async (args, message) => {
    const { status, stderr } = await lastput('events', LEAK, ...args)
    expect(status).toBe(2)
    expect(stderr).toContain(message)
  })
})

test('lastput events of one of two pagemaps', async () => {
  const file = 'examples/migrate-6.12/trace.dat'
  const pfns = async (...args: string[]) => {
    const { stdout } = await lastput('events', file, '--json', ...args)
    return linesOf(stdout).flatMap(({ pfn }) => (pfn === undefined ? [] : [Number(pfn)]))
  }
  const isInPagemap = (pfn: number) => pfn >= 0xfcff800 && pfn <= 0xfcfffff
  const every = await pfns()
  expect(every.some(pfn => !isInPagemap(pfn))).toBe(true)
  expect(await pfns('--pagemap', '0xfcff800')).toEqual(every.filter(isInPagemap))
})

describe('lastput trace', () => {
  const found = async (...args: string[]) => {
    const { stdout, status } = await lastput('trace', LEAK, '--json', ...args)
    const { findings, leftOut } = JSON.parse(stdout)
    return { status, kinds: findings.map((each: { kind: string }) => each.kind), leftOut }
  }
  test.each([
    [['--kind', 'leak'], ['leak'], 0],
    [['--kind', 'surplus-put'], [], 1],
    [['--kind', 'surplus-put', '--kind', 'leak'], ['leak'], 0],
    [['--function', 'zdbug_bug_leak_get'], ['leak'], 0],
    [['--function', 'zdbug_user_get'], [], 1],
    [['--task', 'insmod'], ['leak'], 0],
    [['--task', 'insmod-105', '--function', 'zdbug_bug_leak_get'], ['leak'], 0],
  ])('%j', async (args, kinds, leftOut) => {
    expect(await found(...args)).toEqual({ status: kinds.length > 0 ? 1 : 0, kinds, leftOut })
  })

  test('what is left out is said', async () => {
    const { stdout } = await lastput('trace', LEAK, '--kind', 'surplus-put')
    expect(stdout).toContain('Nothing was found among what was asked for (1 other finding left out).')
  })

  test.each([
    [['--kind', 'nosuch'], 'expected one of leak,'],
    [['--function', 'nosuch'], '--function nosuch: no stack of examples/leak-6.12/trace.dat has it'],
    [['--task', 'nosuch'], '--task nosuch: no event of examples/leak-6.12/trace.dat is of such a task'],
  ])('%j is refused', async (args, message) => {
    const { status, stderr } = await lastput('trace', LEAK, ...args)
    expect(status).toBe(2)
    expect(stderr).toContain(message)
  })
})

describe('lastput who', () => {
  const who = (...args: string[]) => lastput('who', LEAK, '--json', ...args).then(({ stdout }) => JSON.parse(stdout))

  test('the pages of a range that are in use, and how many are idle', async () => {
    const found = await who('--pfn', '0xfcf8000-0xfcf83ff')
    expect(found).toMatchObject({ idle: 1023, dropped: 0, pages: [{ pfn: '0xfcf83fc', count: 1 }] })
    expect(await who('--pagemap', '0xfcf8000')).toEqual(found)
    const { stdout, status } = await lastput('who', LEAK, '--pagemap', '0xfcf8000')
    expect(status).toBe(1)
    expect(stdout).toContain('1 page in use at the end of the recording, 1,023 idle\n')
    const none = await lastput('who', LEAK, '--pagemap', '0xfcf8000', '--top', '0')
    expect(none.stdout).toContain('and 1 more page: --top')
  })

  test('of a moment, the pages that were in use then are those of which who says so one by one', async () => {
    const at = ['--at', '5.966999']
    const { pages } = await who('--pfn', '0xfcf8000-0xfcf83ff', ...at)
    expect(pages.length).toBeGreaterThan(1)
    for (const page of pages) expect((await who('--pfn', page.pfn, ...at)).pages).toEqual([page])
  })

  test('an idle page that is asked for by itself is told of, one of a range is counted', async () => {
    const found = await who('--pfn', '0xfcf8000,0xfcf83f0-0xfcf83ff')
    expect(found.pages.map((page: { pfn: string }) => page.pfn)).toEqual(['0xfcf8000', '0xfcf83fc'])
    expect(found.idle).toBe(15)
  })

  test('only the references of a function or a task', async () => {
    const at = ['--pfn', '0xfcf83fc', '--at', '5.966999']
    const takers = (found: { pages: { holders: { taken: { function: string } }[] }[] }) =>
      found.pages.flatMap(page => page.holders.map(holder => holder.taken.function))
    expect(takers(await who(...at, '--function', 'zdbug_user_get'))).toEqual(['zdbug_user_get', 'zdbug_user_get'])
    expect(takers(await who(...at, '--task', 'insmod'))).toHaveLength(4)
    const nobody = await lastput('who', LEAK, ...at, '--function', 'zdbug_user_put')
    expect(nobody.stdout).toBe('0 pages with such references at 5.966999\n')
    expect(nobody.status).toBe(0)
  })

  test.each([
    [[], 'of which page: add --pfn PAGES or --pagemap PFN'],
    [['--pfn', '0xfcf83fc', '--pfn', '0x1'], 'no event of page 0x1 occurs; pages that do: 0xfcf8000-0xfcf83ff'],
    [['--pfn', '0x1-0x9'], 'no event of page 0x1-0x9 occurs'],
    [['--pagemap', '0x1'], '--pagemap 0x1: no pagemap has it'],
    [['--pfn', '0xfcf83fc', '--function', 'nosuch'], '--function nosuch: no stack'],
    [['--pfn', '0xfcf83fc', '--task', 'nosuch'], '--task nosuch: no event'],
    [['--pfn', '0xfcf83fc', '--json', '--top', '3'], '--top limits the text'],
  ])('%j is refused', async (args, message) => {
    const { status, stderr } = await lastput('who', LEAK, ...args)
    expect(status).toBe(2)
    expect(stderr).toContain(message)
  })

  test('standard input cannot be read for its pagemaps first', async () => {
    const { status, stderr } = await lastput('who', '-', '--pagemap', '0x1')
    expect(status).toBe(2)
    expect(stderr).toContain('read twice')
  })
})

// SPDX-License-Identifier: GPL-2.0-or-later
// Dumps of real kernels with changes: what is missing makes no claim, what is damaged does no harm.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Examination, examine } from '../../src/core/examine.ts'
import { CORE_ACCUSATIONS } from '../../src/core/finding.ts'
import { FrameUses } from '../../src/core/holders/frames.ts'
import { systemMap } from '../../src/core/kernel/symbol-files.ts'
import { readTasks } from '../../src/core/kernel/tasks.ts'
import { pointer } from '../../src/core/kernel/typed.ts'
import { openDump } from '../../src/core/memory/open.ts'
import type { Dump } from '../../src/core/memory/physical.ts'
import { BytesCoreSource } from '../../src/core/memory/source.ts'
import { FileCoreSource, kdumpCodecs } from '../../src/node/core-source.ts'
import { coreText } from '../../src/report/core.ts'
import { coreIncompleteness } from '../../src/report/core-completeness.ts'
import { coreJson } from '../../src/report/core-json.ts'
import { writeElf, writeKdump } from '../../testkit/core/dump-writer.ts'
import { KcoreSource } from '../../testkit/core/kcore.ts'
import { type Changes, changed } from '../../testkit/core/overlay.ts'
import { dumps, frames, type RealDump, realDumps } from '../../testkit/core/real-dumps.ts'
import { needs } from '../support/needs.ts'

needs(dumps()).describe('changed dumps', () => {
  for (const dump of realDumps()) needs(dump.needs).describe(dump.name, () => suite(dump))
})

const accusations = (found: Examination) =>
  found.findings
    .filter(({ kind }) => CORE_ACCUSATIONS.has(kind))
    .map(
      ({ kind, pages }) =>
        `${kind} ${frames(pages)
          .map(pfn => `0x${pfn.toString(16)}`)
          .join(' ')}`,
    )

function suite(real: RealDump): void {
  let source: FileCoreSource
  let dump: Dump
  let found: Examination
  beforeAll(async () => {
    source = new FileCoreSource(real.path())
    dump = openDump(source, { codecs: await kdumpCodecs() })
    found = examine(dump, real.name)
  })
  afterAll(() => source?.close())
  const with_ = (changes: Changes) => examine(changed(dump, changes), real.name)

  /** Physical address of the pointer in the object that holds a planted page. */
  function pointerTo(text: string): { pfn: number; place: number } {
    const planted = real.truth.planted.find(each => each.text === text)!
    const pfn = Number(planted.pfns[0])
    const holder = real.truth.pages_of_interest.find(page => Number(page.pfn) === pfn)!.holders[0]!
    const address = BigInt(`0x${holder.object}`) + BigInt(holder.offset!)
    return { pfn, place: found.kernel.memory.frameOf(address) * 4096 + Number(address & 0xfffn) }
  }
  const planted = (text: string) =>
    real.truth.planted.some(each => each.text === text) ? undefined : `fault planted there: ${text}`

  needs(planted('one reference, its pointer in a slab object')).test(
    'a page that an object knows by number is held',
    () => {
      const { pfn, place } = pointerTo('one reference, its pointer in a slab object')
      const without = with_({ words: new Map([[place, 0n]]) })
      expect(accusations(without)).toContain(`leaked 0x${pfn.toString(16)}`)
      for (const word of [BigInt(pfn), BigInt(pfn) * 4096n]) {
        const numbered = with_({ words: new Map([[place, word]]) })
        expect(accusations(numbered)).not.toContain(`leaked 0x${pfn.toString(16)}`)
      }
    },
  )

  needs(planted('one reference, its pointer in a slab object')).test(
    'a page on the list of free pages is not held by it',
    () => {
      const { pfn, place } = pointerTo('one reference, its pointer in a slab object')
      const driver = found.kernel.modules.find(({ name }) => name === 'zlab')!
      const head = driver.symbol('free_list')!
      const physical = found.kernel.memory.frameOf(head) * 4096 + Number(head & 0xfffn)
      const changes = new Map([
        [place, 0n],
        [physical, found.map.addressOf(pfn)],
      ])
      const onList = with_({ words: changes })
      const finding = onList.findings.find(each => each.pfn === pfn)
      expect(finding).toMatchObject({ kind: 'leaked', certainty: 'likely', holders: [] })
      expect(finding!.evidence.join()).toContain('variable free_list [zlab] points to it')
      // The link of an idle page says the same.
      const idle = found.pagemaps.find(({ driver }) => driver === 'zlab')!.ranges[0]!.end - 1
      const link = found.map.addressOf(idle) + BigInt(found.map.layout.zoneDeviceData)
      const word = found.kernel.memory.frameOf(link) * 4096 + Number(link & 0xfffn)
      const linked = with_({
        words: new Map([
          [place, 0n],
          [word, found.map.addressOf(pfn)],
        ]),
      })
      expect(linked.findings.find(each => each.pfn === pfn)?.evidence.join()).toContain(
        `zone_device_data of idle page 0x${idle.toString(16)}`,
      )
    },
  )

  test('a reference more on an idle page is leaked, unless a live object, stack or variable points to it', () => {
    const { kernel, map, pagemaps } = found
    const physical = (address: bigint) => kernel.memory.frameOf(address) * 4096 + Number(address & 0xfffn)
    const dax = pagemaps.find(({ type }) => type === 'FS_DAX')!
    const pfn = dax.ranges[0]!.first + 5
    const counts = physical(map.addressOf(pfn) + BigInt(map.layout.mapcount))
    // _mapcount -1 and the count stand side by side.
    const busy: [number, bigint] = [counts, (BigInt(dax.rule!.idle + 1) << 32n) | 0xffffffffn]
    const of = (...words: [number, bigint][]) =>
      with_({ words: new Map([busy, ...words]) }).findings.find(each => each.pfn === pfn)
    expect(of()).toMatchObject({ kind: 'leaked', certainty: 'likely', holders: [] })
    const tasks = readTasks(kernel)
    const task = tasks.find(({ running, stackPointer }) => !running && stackPointer !== 0n)!
    const page = map.addressOf(pfn)
    const member = BigInt(kernel.need('task_struct.comm')) & ~7n
    expect(of([physical(task.address + member), page])).toMatchObject({
      kind: 'held',
      holders: [{ kind: 'slab', cache: 'task_struct', object: task.address }],
    })
    const end = task.stack + BigInt(task.stackBytes) - 16n
    expect(of([physical(end), page])).toMatchObject({
      kind: 'held',
      holders: [{ kind: 'kernel-stack', pid: task.pid }],
    })
    // Below the stack pointer nothing is in use.
    expect(of([physical(task.stack + 64n), page])).toMatchObject({ kind: 'leaked' })
    expect(of([physical(kernel.address('saved_command_line')!), page])).toMatchObject({
      kind: 'held',
      holders: [{ kind: 'static-data', symbol: 'saved_command_line' }],
    })
  })

  test('without slab memory no leak is claimed', () => {
    const uses = new FrameUses(found.kernel, found.map, new Set())
    // Structures that the answer needs stay: as if a filter had dropped the others.
    const needed = new Set<number>()
    const spy = watched(dump, pfn => needed.add(pfn))
    examine(spy, real.name, { search: false })
    const partial = with_({ without: pfn => !needed.has(pfn) && uses.use(pfn) === 'slab' })
    expect(accusations(partial).filter(text => text.startsWith('leaked'))).toEqual([])
    if (partial.holders) expect(partial.holders.incomplete.join()).toMatch(/frames of slab memory are not in the dump/)
    const certain = accusations(found).filter(text => /impossible|teardown/.test(text))
    expect(accusations(partial)).toEqual(expect.arrayContaining(certain))
  })

  test('pages are found without pgmap_array, and without the pagemaps themselves', () => {
    const { kernel, pagemaps } = found
    const frameOf = (address: bigint) => kernel.memory.frameOf(address)
    const head = kernel.memory.u64(kernel.address('pgmap_array')! + BigInt(kernel.need('xarray.xa_head'))) & ~3n
    const counts = (made: Examination) =>
      made.pagemaps.map(({ ranges, counts }) => ({
        ranges: ranges.map(({ first, end }) => [first, end]),
        counts: [...counts],
      }))
    const node = with_({ without: pfn => pfn === frameOf(head) })
    expect(counts(node)).toEqual(counts(found))
    expect(coreIncompleteness(node).map(({ text }) => text)).toContain('a part of pgmap_array is not in the dump')
    const slabs = new Set(pagemaps.map(({ address }) => frameOf(address)))
    const none = with_({ without: pfn => slabs.has(pfn) || pfn === frameOf(head) })
    expect(counts(none)).toEqual(counts(found))
    expect(accusations(none).filter(text => !text.startsWith('impossible'))).toEqual([])
  })

  test('symbols from kallsyms that VMCOREINFO does not place, or from a System.map of before KASLR', () => {
    const info = found.kernel.info.text
    const bare = { ...dump, vmcoreinfo: info.replace(/^SYMBOL\(kallsyms.*\n/gm, '') }
    const options = { search: false, holders: false }
    const said = (made: Examination) =>
      JSON.stringify(coreJson('dump', made), (key, value) => (key === 'foundBy' ? '' : value))
    // The tables stand in that order up to 6.3.
    if (real.truth.kernel_release.startsWith('6.1.')) {
      expect(said(examine(bare, real.name, options))).toBe(said(examine(dump, real.name, options)))
    } else expect(() => examine(bare, real.name, options)).toThrow('--system-map')
    const lines = real.kallsyms().map(([address, type, name]) => {
      const linked = BigInt(`0x${address}`)
      return `${(linked >= 1n << 63n ? linked - 0x1000000n : linked).toString(16).padStart(16, '0')} ${type} ${name}`
    })
    const files = systemMap('System.map', lines.join('\n'))
    expect(said(examine(bare, real.name, { ...options, ...files }))).toBe(said(examine(dump, real.name, options)))
  })

  test('a list of tasks, and page tables, that lead in circles', () => {
    const { kernel } = found
    const init = kernel.address('init_task')!
    const list = BigInt(kernel.need('task_struct.tasks'))
    const second = kernel.memory.u64(init + list)
    const physical = (address: bigint) => kernel.memory.frameOf(address) * 4096 + Number(address & 0xfffn)
    const words = new Map([[physical(second), second]])
    // The first user entry of every root table points to the root itself.
    for (const { mm } of found.holders?.tasks ?? []) {
      if (mm === 0n) continue
      const root = kernel.memory.frameOf(pointer(kernel.at('mm_struct', mm), 'pgd')) * 4096
      words.set(root, BigInt(root) | 0x67n)
    }
    const circular = with_({ words })
    expect(circular.pagemaps.length).toBe(found.pagemaps.length)
    if (circular.holders) expect(circular.holders.incomplete).not.toEqual([])
    expect(accusations(circular).filter(text => text.startsWith('leaked'))).toEqual([])
  })

  test('the same memory as /proc/kcore of the running kernel', () => {
    const live = examine(openDump(new KcoreSource(real.kcoreHead(), dump), { live: true }), real.name)
    expect(live.kernel.foundBy).toBe('its VMCOREINFO note')
    expect(accusations(live)).toEqual(accusations(found))
    const certain = live.findings.filter(({ kind, certainty }) => kind === 'leaked' && certainty !== 'possible')
    expect(certain).toEqual([])
    expect(live.pagemaps.map(({ pages }) => pages)).toEqual(found.pagemaps.map(({ pages }) => pages))
  })

  test('the answer is the same for every format', async () => {
    // As much memory as the answer reads, to write it again in a moment.
    const frames = new Map<number, Uint8Array>()
    const spy = watched(dump, (pfn, frame) => {
      if (!frames.has(pfn)) frames.set(pfn, frame.slice())
    })
    const options = { search: false }
    const expected = said(examine(spy, 'dump', options))
    const text = { vmcoreinfo: dump.vmcoreinfo ?? found.kernel.info.text }
    for (const file of [writeElf(frames, text), writeKdump(frames, text)]) {
      const again = openDump(new BytesCoreSource('dump', file), { codecs: await kdumpCodecs() })
      expect(said(examine(again, 'dump', options))).toEqual(expected)
    }
  })
}

/** The same dump, with each frame that is read shown. */
function watched(dump: Dump, seen: (pfn: number, frame: Uint8Array) => void): Dump {
  const { format, ranges } = dump.memory
  const frame = (pfn: number) => {
    const bytes = dump.memory.frame(pfn)
    if (bytes) seen(pfn, bytes)
    return bytes
  }
  return { ...dump, memory: { format, ranges, frame } }
}

/** What a command says, without how the dump is stored. */
function said(found: Examination): unknown {
  const { source: _, ...json } = coreJson('dump', found) as { source: unknown }
  return { json, text: coreText('dump', found).slice(2) }
}

// SPDX-License-Identifier: GPL-2.0-or-later
// Dumps of distribution kernels: what is read is what the guest itself read, and what was planted is found.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Examination, examine } from '../../src/core/examine.ts'
import { CORE_ACCUSATIONS } from '../../src/core/finding.ts'
import { openDump } from '../../src/core/memory/open.ts'
import { visitAlike, visitPages } from '../../src/core/page-queries.ts'
import { FileCoreSource, kdumpCodecs } from '../../src/node/core-source.ts'
import { coreText } from '../../src/report/core.ts'
import { coreIncompleteness } from '../../src/report/core-completeness.ts'
import { coreJson } from '../../src/report/core-json.ts'
import { PAGE_COLUMNS, pageJson, pageRow } from '../../src/report/core-page.ts'
import { PageList } from '../../src/report/core-page-list.ts'
import { dumps, frames, type RealDump, realDumps } from '../../testkit/core/real-dumps.ts'
import { needs } from '../support/needs.ts'
import { differingRuns } from './page-runs.ts'

const schema = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../docs/schema/lastput.core-1.schema.json'), 'utf8'),
)
const validate = new Ajv2020({ strict: true, strictTypes: false, allErrors: true }).compile(schema)

needs(dumps()).describe('dumps of real kernels', () => {
  for (const dump of realDumps()) needs(dump.needs).describe(dump.name, () => suite(dump))
})

const hex = (pfn: number) => `0x${pfn.toString(16)}`

function holdersOf(dump: RealDump, pfn: number) {
  return dump.truth.pages_of_interest.find(page => Number(page.pfn) === pfn)?.holders ?? []
}

function suite(dump: RealDump): void {
  let source: FileCoreSource
  let found: Examination
  beforeAll(async () => {
    source = new FileCoreSource(dump.path())
    found = examine(openDump(source, { codecs: await kdumpCodecs() }), dump.name)
  })
  afterAll(() => source?.close())

  test('every pagemap', () => {
    expect(found.kernel.release).toBe(dump.truth.kernel_release)
    expect(found.notes).toEqual([])
    expect(coreIncompleteness(found)).toEqual([])
    const mode = { percpu: 'percpu', atomic: 'atomic', dead: 'dead', atomic_dead: 'dead' } as Record<string, string>
    expect(
      found.pagemaps.map(map => ({
        pgmap: map.address,
        type: map.typeNumber,
        ranges: map.ranges.map(({ first, end }) => ({ first_pfn: `0x${first.toString(16)}`, pages: end - first })),
        owner: map.owner,
        ops: map.opsName ?? '0x0',
        ref: { state: map.ref?.state, references: Number(map.ref?.references) },
      })),
    ).toEqual(
      dump.truth.pagemaps.map(map => ({
        pgmap: BigInt(`0x${map.pgmap}`),
        type: map.type,
        ranges: map.ranges,
        owner: BigInt(`0x${map.owner}`),
        ops: map.ops,
        ref: { state: mode[map.percpu_ref.mode], references: map.percpu_ref.references },
      })),
    )
  })

  test('every page', () => {
    const pages = new Map(dump.pages().map(page => [page.pfn, page]))
    const wrong: unknown[] = []
    const folios = new Map<number, number>()
    for (const { head } of pages.values()) folios.set(head, (folios.get(head) ?? 0) + 1)
    visitPages(found, ({ view, pagemap, state }) => {
      const page = pages.get(view.pfn)
      pages.delete(view.pfn)
      const same =
        page?.count === view.count &&
        page.mapcount === view.mapcount &&
        page.flags === view.flags &&
        page.head === view.head &&
        (view.isTail || folios.get(view.pfn) === 2 ** view.order)
      if (!same && state !== 'reserved') wrong.push(page ?? view.pfn)
      if (page && state !== 'reserved' && page.head === page.pfn && BigInt(page.pgmap) !== pagemap!.address)
        wrong.push(page)
    })
    expect(wrong.slice(0, 3)).toEqual([])
    expect([...pages.values()].slice(0, 3)).toEqual([])
    expect(differingRuns(found).slice(0, 3)).toEqual([])
  })

  test('pages listed at once are listed as one by one', () => {
    const rows = [PAGE_COLUMNS]
    visitPages(found, page => rows.push(pageRow(page)))
    const pieces: Uint8Array[] = []
    const list = new PageList(bytes => pieces.push(bytes.slice()))
    visitAlike(found, (page, pages) => list.add(page, pages))
    list.end()
    expect(Buffer.concat(pieces).toString().split('\n')).toEqual([...rows, ''])
  })

  test('what was planted is found, and nothing else accused', () => {
    const planted = dump.truth.planted.filter(({ expected }) => expected !== 'held')
    const wanted = planted.flatMap(({ expected, pfns }) =>
      expected === 'teardown-waits' ? [`${expected} ${pfns.join(' ')}`] : pfns.map(pfn => `${expected} ${pfn}`),
    )
    // A page that keeps a pagemap can be one that was leaked.
    const waited = new Set(planted.filter(({ expected }) => expected === 'teardown-waits').flatMap(({ pfns }) => pfns))
    const accused = found.findings
      .filter(({ kind }) => CORE_ACCUSATIONS.has(kind))
      .filter(({ kind, pfn }) => !(kind === 'leaked' && waited.has(hex(pfn)) && holdersOf(dump, pfn).length === 0))
      .map(({ kind, pages }) => `${kind} ${frames(pages).map(hex).join(' ')}`)
    expect(accused.sort()).toEqual(wanted.sort())
  })

  test('holders', () => {
    const wrong: unknown[] = []
    for (const { pfn, holders } of dump.truth.pages_of_interest) {
      const finding = found.findings.find(
        each => each.kind !== 'teardown-waits' && frames(each.pages).includes(Number(pfn)),
      )
      // Mapped without a reference, an idle page is no finding. Tails have the holders of their head.
      if (!finding || (finding.pfn !== Number(pfn) && frames(finding.pages).length > 1)) continue
      const mapped = finding.holders.filter(({ kind }) => kind === 'mapping')
      const wantedMapped = holders.filter(({ kind }) => kind === 'mapping')
      const words = (list: { pid?: number | undefined; vaddr?: string | undefined; address?: bigint | undefined }[]) =>
        list.map(({ pid, vaddr, address }) => `${pid} ${BigInt(vaddr ?? address!)}`).sort()
      if (String(words(mapped)) !== String(words(wantedMapped))) wrong.push({ pfn, mapped, wantedMapped })
      for (const { kind, pid, cache, object, offset } of holders) {
        const same = finding.holders.some(
          each =>
            (kind === 'pipe' && each.kind === 'pipe' && each.pid === pid) ||
            (kind === 'kernel-stack' && each.kind === 'kernel-stack' && each.pid === pid) ||
            (object !== undefined &&
              each.cache === cache &&
              each.object === BigInt(`0x${object}`) &&
              each.offset === offset),
        )
        if (!same && ['pipe', 'kernel-stack', 'slab'].includes(kind))
          wrong.push({ pfn, kind, holders: finding.holders })
      }
    }
    expect(wrong.slice(0, 2)).toEqual([])
  })

  test('the search says of itself whether it was whole', () => {
    expect(found.holders?.incomplete ?? []).toEqual([])
  })

  test('the JSON is as its schema says, and the text fits a screen', () => {
    const json = JSON.parse(JSON.stringify(coreJson(dump.name, found)))
    expect(validate(json) ? [] : validate.errors).toEqual([])
    let first: object | undefined
    visitPages(found, page => (first ??= pageJson(page)))
    expect(validate({ ...json, page: first }) ? [] : validate.errors).toEqual([])
    const lines = coreText(dump.name, found)
    expect(lines.filter(line => line.length > 80)).toEqual([])
    expect(lines.join('\n')).not.toMatch(/undefined|NaN/)
  })
}

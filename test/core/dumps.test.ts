// SPDX-License-Identifier: GPL-2.0-or-later
// Dumps of distribution kernels: what is read is what the guest itself read, and what was planted is found.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Examination, examine } from '../../src/core/examine.ts'
import { openDump } from '../../src/core/memory/open.ts'
import { visitPages } from '../../src/core/page-queries.ts'
import { FileCoreSource, kdumpCodecs } from '../../src/node/core-source.ts'
import { coreText } from '../../src/report/core.ts'
import { coreJson } from '../../src/report/core-json.ts'
import { pageJson } from '../../src/report/core-page.ts'
import { dumps, type RealDump, realDumps } from '../support/dumps.ts'
import { needs } from '../support/needs.ts'

const schema = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../docs/schema/lastput.core-1.schema.json'), 'utf8'),
)
const validate = new Ajv2020({ strict: true, strictTypes: false, allErrors: true }).compile(schema)

needs(dumps()).describe('dumps of real kernels', () => {
  for (const dump of realDumps()) needs(dump.needs).describe(dump.name, () => suite(dump))
})

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
    visitPages(found, ({ view, pagemap, state }) => {
      const page = pages.get(view.pfn)
      pages.delete(view.pfn)
      const same =
        page?.count === view.count &&
        page.mapcount === view.mapcount &&
        page.flags === view.flags &&
        page.head === view.head
      if (!same && state !== 'reserved') wrong.push(page ?? view.pfn)
      if (page && state !== 'reserved' && page.head === page.pfn && BigInt(page.pgmap) !== pagemap!.address)
        wrong.push(page)
    })
    expect(wrong.slice(0, 3)).toEqual([])
    expect([...pages.values()].slice(0, 3)).toEqual([])
  })

  test('a count that no page can have', () => {
    const planted = dump.truth.planted.filter(({ expected }) => expected === 'impossible-state')
    const impossible = found.findings.filter(({ kind }) => kind === 'impossible-state')
    expect(impossible.map(({ pfn }) => `0x${pfn.toString(16)}`)).toEqual(planted.flatMap(({ pfns }) => pfns))
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

// SPDX-License-Identifier: GPL-2.0-or-later
/** What is done with each mutant of a memory dump: everything that `lastput core` would do. */
import assert from 'node:assert/strict'
import { CoreError } from '../../src/core/error.ts'
import { type Examination, examine } from '../../src/core/examine.ts'
import { openDump } from '../../src/core/memory/open.ts'
import { BytesCoreSource } from '../../src/core/memory/source.ts'
import { visitAlike, visitPages } from '../../src/core/page-queries.ts'
import { coreText } from '../../src/report/core.ts'
import { coreIncompleteness } from '../../src/report/core-completeness.ts'
import { coreJson } from '../../src/report/core-json.ts'
import { PAGE_COLUMNS, pageRow } from '../../src/report/core-page.ts'
import { PageList } from '../../src/report/core-page-list.ts'
import type { Random } from '../../testkit/random.ts'
import { readCore } from '../../web/src/core/document.ts'
import { Grid } from '../../web/src/core/grid.ts'
import { SHADES, segmentsOf } from '../../web/src/core/segments.ts'
import { worstOf } from '../../web/src/core/strip.ts'
import type { Outcome } from './exercise.ts'

/** The map of the pages, as the viewer lays it out. */
function exerciseMap(json: Record<string, unknown>): void {
  const { pagemaps, findings } = readCore(json)
  const segments = pagemaps.map((map, i) =>
    segmentsOf(
      map,
      findings.filter(({ pagemap }) => pagemap === i),
    ),
  )
  const grid = new Grid(pagemaps, segments)
  for (let row = 0; row < grid.length; row++) assert.ok(grid.base[row] === -1 || grid.end[row]! > grid.from[row]!)
  pagemaps.forEach(({ ranges }, i) => {
    for (const shade of worstOf(ranges, segments[i]!, 100)) assert.ok(shade < SHADES.length)
  })
}

/** Pages listed at once are listed as one by one. */
function exerciseList(found: Examination): void {
  const rows = [PAGE_COLUMNS]
  visitPages(found, page => rows.push(pageRow(page)))
  for (const row of rows) assert.doesNotMatch(row, /NaN|undefined/)
  const text = new TextDecoder()
  let listed = ''
  const list = new PageList(bytes => (listed += text.decode(bytes, { stream: true })))
  visitAlike(found, (page, pages) => list.add(page, pages))
  list.end()
  assert.ok(listed === `${rows.join('\n')}\n`)
}

/** More pages than the file could describe are those of pagemaps whose ranges were damaged; the list of them is long then. */
const MOST_LISTED = 1 << 16

export function exerciseDump(bytes: Uint8Array, random: Random): Outcome {
  try {
    const found = examine(openDump(new BytesCoreSource('mutant', bytes)), 'mutant', { search: random.chance(0.7) })
    for (const line of coreText('mutant', found)) assert.doesNotMatch(line, /\p{Cc}|NaN|undefined/u)
    const json = JSON.parse(JSON.stringify(coreJson('mutant', found)))
    exerciseMap(json)
    const { pages } = json as { pages: Record<string, number> }
    for (const count of Object.values(pages)) assert.ok(Number.isInteger(count) && count >= 0)
    const all = Object.values(pages).reduce((sum, count) => sum + count, 0)
    if (all < MOST_LISTED) exerciseList(found)
    return coreIncompleteness(found).length > 0 ? 'damaged' : 'read'
  } catch (error) {
    if (!(error instanceof CoreError)) throw error
    assert.ok(error.file !== '' && error.expected !== '')
    return 'refused'
  }
}

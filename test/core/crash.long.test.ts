// SPDX-License-Identifier: GPL-2.0-or-later
// What `crash` says of the same dump: count, mapcount, flags and their names of every device page.
import { expect, test } from 'vitest'
import { examine } from '../../src/core/examine.ts'
import { openDump } from '../../src/core/memory/open.ts'
import { visitPages } from '../../src/core/page-queries.ts'
import { FileCoreSource, kdumpCodecs } from '../../src/node/core-source.ts'
import { crash, crashPages } from '../../testkit/core/crash.ts'
import { dumps, realDumps } from '../../testkit/core/real-dumps.ts'
import { needs } from '../support/needs.ts'

/** Names in an order of their own: crash's is not that of the bits. */
const namesOf = (text = '') => text.split(',').sort().join(',')

needs(dumps()).describe('as crash says', () => {
  for (const dump of realDumps()) {
    needs(dump.needs ?? crash(dump)).describe(dump.name, () => {
      test('every device page', async ({ skip }) => {
        const theirs = crashPages(dump)
        // A kernel that is newer than the program.
        if (typeof theirs === 'string') return skip(theirs)
        const source = new FileCoreSource(dump.path())
        const found = examine(openDump(source, { codecs: await kdumpCodecs() }), dump.name, { holders: false })
        const wrong: unknown[] = []
        let compared = 0
        visitPages(found, ({ view, address, flagNames }) => {
          const page = theirs.pages.get(address)
          compared++
          const same =
            page?.count === view.count &&
            page.mapcount === view.mapcount &&
            page.flags === view.flags &&
            namesOf(theirs.names.get(address)) === flagNames.toSorted().join(',')
          if (!same) wrong.push({ pfn: view.pfn, count: view.count, flagNames, page, names: theirs.names.get(address) })
        })
        source.close()
        expect(wrong.slice(0, 3)).toEqual([])
        expect(compared).toBeGreaterThanOrEqual(dump.truth.zone_device_pages_total)
      })
    })
  }
})

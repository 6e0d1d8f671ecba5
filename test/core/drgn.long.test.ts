// SPDX-License-Identifier: GPL-2.0-or-later
// What `drgn` says of the same dump: count, mapcount and flags of every device page, its pagemap, that one's type and owner.
import { expect, test } from 'vitest'
import { examine } from '../../src/core/examine.ts'
import { openDump } from '../../src/core/memory/open.ts'
import { visitPages } from '../../src/core/page-queries.ts'
import { FileCoreSource, kdumpCodecs } from '../../src/node/core-source.ts'
import { drgn, drgnPages } from '../../testkit/core/drgn.ts'
import { dumps, realDumps } from '../../testkit/core/real-dumps.ts'
import { needs } from '../support/needs.ts'

needs(dumps()).describe('as drgn says', () => {
  for (const dump of realDumps()) {
    needs(dump.needs ?? drgn(dump)).describe(dump.name, () => {
      test('every device page', async ({ skip }) => {
        const source = new FileCoreSource(dump.path())
        const opened = openDump(source, { codecs: await kdumpCodecs() })
        const found = examine(opened, dump.name, { holders: false })
        const theirs = drgnPages(dump, opened.vmcoreinfo === undefined ? found.kernel.info.text : undefined)
        // A format that an older version does not open.
        if (typeof theirs === 'string') return skip(theirs)
        const ours: typeof theirs = []
        visitPages(found, ({ view: { pfn, count, mapcount, flags }, pagemap }) => {
          const { address, typeNumber, owner } = pagemap!
          ours.push({ pfn, count, mapcount, flags, pagemap: address, type: typeNumber, owner })
        })
        source.close()
        const byFrame = (a: { pfn: number }, b: { pfn: number }) => a.pfn - b.pfn
        expect(ours.length).toBeGreaterThanOrEqual(dump.truth.zone_device_pages_total)
        expect(ours.toSorted(byFrame)).toEqual(theirs.toSorted(byFrame))
      })
    })
  }
})

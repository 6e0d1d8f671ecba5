// SPDX-License-Identifier: GPL-2.0-or-later
// Recordings of real kernels with probes beside the page_ref events (recordings/probes/README.md). truth.json is what the driver
// said of its own fault in the kernel's log: the page, and the function, which must be one of the two innermost of the culprit.
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { account } from '../../src/ledger/account.ts'
import { openFile } from '../../src/node/open.ts'
import type { Frame } from '../../src/trace/events.ts'

interface Truth {
  /** Number of probes in the recording. */
  probes: number
  findings: { kind: string; pfn: string; function?: string }[]
  /** Functions that the kernel reported an error in. */
  reports?: string[]
}

const folder = new URL('recordings/probes/', import.meta.url)
const truth: { [file: string]: Truth } = JSON.parse(readFileSync(new URL('truth.json', folder), 'utf8'))

const names = (stack: Frame[] | undefined) => stack?.slice(0, 2).map(frame => frame.name) ?? []

/** Two of them are examples, too, and lie there. */
it('all are listed', () => {
  expect(readdirSync(folder).filter(name => /\.(dat|data|txt)$/.test(name))).toEqual(
    Object.keys(truth)
      .filter(name => !name.startsWith('..'))
      .sort(),
  )
})

describe.each(Object.entries(truth))('%s', (file, { probes, findings, reports = [] }) => {
  it('is judged as the driver says', async () => {
    const found = await account(await openFile(new URL(file, folder).pathname))
    expect(found.findings.map(({ kind, pfn }) => ({ kind, pfn: `0x${pfn.toString(16)}` }))).toEqual(
      findings.map(({ kind, pfn }) => ({ kind, pfn })),
    )
    for (const [index, { function: wanted }] of findings.entries()) {
      if (wanted !== undefined) expect(names(found.findings[index]!.culprit?.stack)).toContain(wanted)
    }
    expect(found.reports.map(report => names(report.stack)[0])).toEqual(reports)
    expect(found.probes).toBe(probes)
  })
})

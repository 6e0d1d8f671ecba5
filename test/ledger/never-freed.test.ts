// SPDX-License-Identifier: GPL-2.0-or-later
// Recordings with probes and no page_ref events are accounted for by lifetimes: what was handed out and will not come back is named,
// and nobody is accused of what losses, a late start, a cut or a missing probe explains.
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { type Account, account, whoHolds } from '../../src/ledger/account.ts'
import { ACCUSATIONS } from '../../src/ledger/findings/kinds.ts'
import { openFile } from '../../src/node/open.ts'
import { incompleteness } from '../../src/report/completeness.ts'
import { traceText } from '../../src/report/trace.ts'
import { traceJson } from '../../src/report/trace-json.ts'
import { newBatch } from '../../src/trace/common/batch.ts'
import { copyRows } from '../../src/trace/common/columns.ts'
import { type LostEvents, Op, type Recording } from '../../src/trace/events.ts'
import { checkEvidence } from '../../testkit/evidence-check.ts'
import { fakeRecording, type Row } from '../../testkit/fake-recording.ts'
import { FIRST, type LifetimeOptions, probeLifetimes, QUIET, withGap } from '../../testkit/probe-lifetimes.ts'

const SEEDS = [1, 2, 3, 4, 5, 6]
const recordings = new URL('recordings/', import.meta.url)
const stock = new URL('stock/probes-leak-7.3/', recordings)

/** Accounts for rows; every sentence of it must be true. */
async function judge(rows: readonly Row[], lost: readonly LostEvents[] = []): Promise<Account> {
  const made = await account(fakeRecording(rows, lost))
  expect((await checkEvidence(fakeRecording(rows, lost), made)).wrong).toEqual([])
  return made
}

function accused({ findings }: Account): number[] {
  return findings
    .filter(({ kind }) => ACCUSATIONS.has(kind))
    .map(({ pfn }) => pfn)
    .sort((a, b) => a - b)
}

const simulated = (options: Partial<LifetimeOptions>) => probeLifetimes({ ...QUIET, ...options })
const sorted = (pages: readonly number[]) => [...pages].sort((a, b) => a - b)

describe("Debian's own 7.3", () => {
  const open = () =>
    openFile(new URL('trace.txt', stock).pathname, { kallsyms: [readFileSync(new URL('kallsyms.txt', stock), 'utf8')] })

  test('one page was never freed, and its stack is told', async () => {
    const recording = await open()
    const made = await account(recording)
    expect(made.findings).toMatchObject([{ kind: 'never-freed', pfn: 0xfcf800c, certainty: 'likely' }])
    const [{ culprit, culpritCertainty }] = made.findings as [Account['findings'][number]]
    expect(culprit!.stack.map(({ name }) => name).slice(0, 3)).toEqual(['zlab_alloc_locked', 'zlab_alloc', 'zlab_do'])
    // A count would tell whose reference it is; a hand-out does not.
    expect(culpritCertainty).toBe('possible')
    expect(made.lives).toMatchObject({ complete: 51, openAtEnd: 1, unknown: 0 })
    expect(made.pagemaps).toMatchObject([{ firstPfn: 0xfcf8000, lastPfn: 0xfcf800d, pages: 14, device: true }])
    expect(incompleteness(made, recording.damage)).toEqual([])
    const again = await open()
    expect((await checkEvidence(again, made)).wrong).toEqual([])
  })

  test('its pages can be asked for', async () => {
    const asked = [0xfcf800c, 0xfcf800e].map(pfn => ({ first: pfn, last: pfn }))
    expect((await account(await open(), { ask: asked })).asked).toEqual(['accounted', 'absent'])
    const held = await whoHolds(await open(), asked, Infinity)
    expect(held).toMatchObject({ probed: [0xfcf800c], absent: asked, pages: [] })
  })

  test('no count is told where none was recorded', async () => {
    const recording = await open()
    const made = await account(recording)
    expect(traceText(made, []).join('\n')).not.toMatch(/count \d/)
    expect(traceJson(made, [])).toMatchObject({ findings: [{ count: null, expected: null }] })
  })
})

test("Debian's own 6.1, recorded by lastput record: the page that the driver says it kept", async () => {
  const open = () => openFile(new URL('stock/zd3-holdgeneric-6.1/trace.txt', recordings).pathname)
  const made = await account(await open())
  expect(made.findings).toMatchObject([
    { kind: 'never-freed', pfn: 0xfcf81fc, culprit: { frame: { name: 'zd3_hand_out' } } },
  ])
  expect(made.lives).toMatchObject({ complete: 191, openAtEnd: 1 })
  expect((await checkEvidence(await open(), made)).wrong).toEqual([])
})

describe.each(SEEDS)('simulated, seed %d', seed => {
  test('all came back', async () => {
    const made = await judge(simulated({ seed }).rows)
    expect(made.findings).toEqual([])
    expect(made.lives).toMatchObject({ complete: 84, openAtEnd: 0 })
  })

  test('one page, and several', async () => {
    for (const leaks of [1, 2]) {
      const { rows, leaked } = simulated({ seed, leaks, singles: 120 })
      expect(accused(await judge(rows))).toEqual(sorted(leaked))
    }
  })

  test('a page that the exit of its process passed over', async () => {
    const { rows, leaked } = simulated({ seed, left: 1 })
    expect(accused(await judge(rows))).toEqual(leaked)
  })

  test('a page that memunmap_pages() waits for', async () => {
    const { rows, leaked } = simulated({ seed, leaks: 1, teardown: true, singles: 12 })
    const made = await judge(rows)
    expect(accused(made)).toEqual(leaked)
    expect(made.findings[0]!.consequences).toMatchObject([{ kind: 'teardown-waits' }])
  })

  test('a quiet cache is held', async () => {
    const made = await judge(simulated({ seed, cached: 12, singles: 400 }).rows)
    expect(accused(made)).toEqual([])
    expect(made.findings.map(({ kind }) => kind)).toEqual(Array.from({ length: 12 }, () => 'held-at-end'))
  })

  test('a process that lives keeps its pages, whatever others do', async () => {
    const { rows } = simulated({ seed, singles: 200, processes: 40, mapped: 4 })
    const first = rows.find(({ op, stack }) => op === Op.PAGE_ALLOC && stack?.[2]?.name === 'drv_migrate')!
    const lives = rows.filter(({ op, pid }) => op !== Op.PAGE_FREE || pid !== first.pid)
    // Its pages are handed to nobody else.
    const own = new Set(lives.filter(({ pid }) => pid === first.pid).map(({ pfn }) => pfn))
    const made = await judge(lives.filter(({ pfn, pid }) => pid === first.pid || !own.has(pfn)))
    expect(accused(made)).toEqual([])
    expect(made.findings).toHaveLength(own.size)
  })

  test('lost events: nobody is accused whose page may have come back in a gap', async () => {
    const { rows, leaked } = simulated({ seed, leaks: 1, singles: 120 })
    const taken = rows.findLast(({ pfn }) => pfn === leaked[0])!.time
    const end = rows.at(-1)!.time
    const after = withGap(rows, taken + (end - taken) / 3, taken + (end - taken) / 2)
    const made = await judge(after.rows, after.lost)
    expect(accused(made)).toEqual([])
    expect(made.lives.unknown).toBeGreaterThan(0)
    const before = withGap(rows, rows[0]!.time, taken - (taken - rows[0]!.time) / 2)
    expect(accused(await judge(before.rows, before.lost))).toEqual(leaked)
  })

  test('cut anywhere, nobody is accused falsely', async () => {
    const { rows, leaked } = simulated({ seed, leaks: 2, left: 1, singles: 120 })
    for (const part of [0.2, 0.35, 0.5, 0.65, 0.8, 0.95]) {
      const at = Math.floor(rows.length * part)
      for (const piece of [rows.slice(0, at), rows.slice(at)])
        expect(leaked).toEqual(expect.arrayContaining(accused(await judge(piece))))
    }
  })

  test('returns without a probe: no page is said to be out for good', async () => {
    const { rows } = simulated({ seed, singles: 200, unprobed: 20 })
    const made = await judge(rows)
    expect(accused(made)).toEqual([])
    expect(made.notes.join('\n')).toMatch(/some pages are freed without it/)
  })

  test('without stacks nothing tells whether a page is mapped', async () => {
    const { rows } = simulated({ seed, stacks: false, leaks: 1, singles: 120 })
    expect(accused(await judge(rows))).toEqual([])
  })
})

test.each([
  ['lastput_free', Op.PAGE_FREE],
  ['lastput_alloc', Op.PAGE_ALLOC],
])('without %s no page is held, and nothing is said to be whole', async (name, op) => {
  const { rows } = simulated({ leaks: 1 })
  const made = await judge(rows.filter(row => row.op !== op))
  expect(made.findings).toEqual([])
  expect(made.notes.join('\n')).toContain(`no ${name} was recorded`)
  expect(incompleteness(made, [])).toMatchObject([{ reason: 'no-events' }])
})

test('stamps of two CPUs that are too near to be ordered say nothing', async () => {
  const { rows } = simulated({ singles: 60 })
  const last = rows.findLast(({ op }) => op === Op.PAGE_FREE)!
  // Given back by one CPU and, as the other CPU's clock has it, handed out a moment before.
  const swapped = [
    ...rows,
    { ...last, op: Op.PAGE_ALLOC, cpu: 1 - last.cpu, time: last.time - 5, stack: rows[0]!.stack },
  ]
  expect(accused(await judge(swapped))).toEqual([])
})

test('a teardown that waits while no page is known to be out is told', async () => {
  const { rows } = simulated({ teardown: true })
  const made = await judge(rows.filter(({ op }) => op !== Op.MEMUNMAP_END))
  expect(made.findings).toMatchObject([{ kind: 'teardown-waits', pfn: FIRST, references: 0 }])
})

describe('real recordings, without their counts', () => {
  const folder = new URL('probes/', recordings)
  const files = readdirSync(folder).filter(name => name.endsWith('.dat'))
  const truths: Record<string, { findings: { pfn: string }[] }> = JSON.parse(
    readFileSync(new URL('truth.json', folder), 'utf8'),
  )

  test.each(files)('%s: no page but the one that its driver has spoilt', async file => {
    const recording = await openFile(new URL(file, folder).pathname)
    const made = await account(probesOf(recording))
    await recording.close()
    const spoilt = truths[file]!.findings.map(({ pfn }) => Number(pfn))
    const found = made.findings.filter(({ kind }) => kind === 'never-freed').map(({ pfn }) => pfn)
    expect(spoilt).toEqual(expect.arrayContaining(found))
    if (file === 'zd3-hold-6.12.dat') expect(found).toEqual(spoilt)
  })
})

/** The recording without its page_ref events. */
function probesOf(recording: Recording): Recording {
  const batches = recording.batches.bind(recording)
  recording.batches = async function* () {
    for await (const batch of batches()) {
      const rows = batch.order.subarray(0, batch.length).filter(row => batch.op[row]! >= Op.PAGE_FREE)
      const probes = newBatch(rows.length)
      rows.forEach((row, i) => {
        copyRows(probes, i, batch, row, row + 1)
        probes.order[i] = i
      })
      yield Object.assign(probes, { length: rows.length, lost: batch.lost })
    }
  }
  return recording
}

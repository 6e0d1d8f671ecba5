// SPDX-License-Identifier: GPL-2.0-or-later
// Probes in ftrace text, as tracefs, trace-cmd report and people write them.

import { describe, expect, it } from 'vitest'
import { BytesSource } from '../../../src/trace/common/bytes.ts'
import type { Recording } from '../../../src/trace/events.ts'
import { sourceInput } from '../../../src/trace/ftracetext/lines.ts'
import { openText } from '../../../src/trace/ftracetext/recording.ts'
import { BARE } from '../../../testkit/writers/probe-events.ts'
import { collect, frameNames, type PlainEvent } from '../../support/collect.ts'

const FIELDS = 'pfn=0x100000 flags=none count=1 mapcount=-1 mapping=0000000000000000 mt=1 val=1'

const line = (what: string, cpu = 0, time = '1.000001') => `     driver-7     [00${cpu}] d..1.     ${time}: ${what}\n`
const pageRef = (cpu = 0) => line(`page_ref_set: ${FIELDS}`, cpu)

async function read(text: string): Promise<{ recording: Recording; events: PlainEvent[] }> {
  const recording = await openText(sourceInput(new BytesSource('text', new TextEncoder().encode(text))))
  const { events } = await collect(recording)
  return { recording, events }
}

/** A probe has nothing but what is named. */
const probe = (op: string, columns: Partial<PlainEvent> = {}): PlainEvent => ({
  time: 1_000_001_000n,
  cpu: 0,
  op,
  pid: 7,
  ...BARE,
  stack: 0,
  ...columns,
})

const VMEMMAP = 'vmemmap=0xffffea0000000000'
const AT = '(dmirror_devmem_free+0x0/0x60 [test_hmm])'
const MEMUNMAP = 'lastput_memunmap: (memunmap_pages+0x4/0x300)'

describe('a probe', () => {
  it.each([
    ['by page and vmemmap', `lastput_free: ${AT} page=0xffffea0004000040 ${VMEMMAP}`, { pfn: 0x100001 }],
    [
      'by page and vmemmap of trace-cmd',
      `lastput_free:         ${AT} page=0xffffea0004000040 ${VMEMMAP}`,
      { pfn: 0x100001 },
    ],
    ['by pfn', 'lastput_alloc: pfn=0x100002', { pfn: 0x100002 }],
    ['by a decimal pfn', 'lastput_alloc: (zone_device_page_init+0x0/0x40) pfn=1048578', { pfn: 0x100002 }],
    ['by the largest pfn', 'lastput_use: pfn=0xfffffffffffff', { pfn: 2 ** 52 - 1 }],
    ['by the largest decimal pfn', 'lastput_use: pfn=4503599627370495', { pfn: 2 ** 52 - 1 }],
    ['by the pointer to the last page', `lastput_use: ${AT} page=288230376151711680 vmemmap=0`, { pfn: 2 ** 52 - 1 }],
    [
      'where the low half of vmemmap is larger',
      'lastput_use: page=0xffffeb0000000000 vmemmap=0xffffeaffffffffc0',
      { pfn: 1 },
    ],
    ['with fields in another order', `lastput_use: ${AT} who="x y" ${VMEMMAP} page=0xffffea0000000000`, { pfn: 0 }],
    ['with a pfn and a pointer', 'lastput_use: pfn=5 page=0x1 vmemmap=0x0', { pfn: 5 }],
    ['of a range', `${MEMUNMAP} start=0x100000000 end=0x1001fffff`, { pfn: 0x100000, val: 512 }],
    ['of a decimal range', `${MEMUNMAP} start=4294967296 end=4297064447`, { pfn: 0x100000, val: 512 }],
    ['of the largest range', `${MEMUNMAP} start=0x0 end=0xffffffffffffffff`, { pfn: 0, val: 0x7fffffff }],
    [
      'of a range at the end',
      `${MEMUNMAP} start=0xffffffffffe00000 end=0xffffffffffffffff`,
      { pfn: 2 ** 52 - 512, val: 512 },
    ],
    ['of no range', MEMUNMAP, {}],
    ['of no range, plain', 'lastput_memunmap:', {}],
    ['of a return', 'lastput_memunmap_end: (devm_memremap_pages_release+0x9/0x20 <- memunmap_pages)', {}],
    ['of a return in a module', 'lastput_memunmap_end: (pci_p2pdma_release+0x1a/0x2b [mod] <- memunmap_pages)', {}],
    ['of a return in trace-cmd', 'lastput_memunmap_end: (ffffffff812d95e0 <- ffffffff81000000)', {}],
    ['of a warning', 'error_report_end: [warning] ffffffff81234567', { val: 2, mapping: 0xffffffff81234567n }],
    ['of KASAN', 'error_report_end:     [kasan] ffff888100000000', { val: 1, mapping: 0xffff888100000000n }],
    ['of KFENCE', 'error_report_end: [kfence] 0', { val: 0 }],
    ['of a detector without a name', 'error_report_end: [0x3] 12', { val: 3, mapping: 0x12n }],
    [
      'of raw fields',
      'error_report_end: error_detector=2 id=ffffffff81234567',
      { val: 2, mapping: 0xffffffff81234567n },
    ],
  ])('%s', async (_, text, columns) => {
    // Rows hold what an earlier event left there.
    const { recording, events } = await read(pageRef() + line(text))
    expect(events[1]).toEqual(probe(text.slice(0, text.indexOf(':')), columns))
    expect(recording.notes).toEqual([])
    expect(recording.damage).toEqual([])
  })

  it.each([
    ['in latency-format', '  driver-7        0d..1. 1000001us : lastput_use: pfn=0x5'],
    ['with the time since the last event', '          driver-7     [000]     1.000001: (+338)   lastput_use: pfn=0x5'],
  ])('%s', async (_, text) => {
    const { events } = await read(`${text}\n`)
    expect(events).toEqual([probe('lastput_use', { pfn: 5 })])
  })

  it('may be the first event: what the flags are is told by the first page_ref event', async () => {
    const raw = line(`page_ref_set: ${FIELDS.replace('none', '0xc00000000000000')}`)
    expect((await read(line('lastput_alloc: pfn=1') + raw)).recording.info.rawFlags).toBe(true)
    expect((await read(line('lastput_alloc: pfn=1') + pageRef())).recording.info.rawFlags).toBe(false)
    expect((await read(line('lastput_alloc: pfn=1'))).events).toHaveLength(1)
  })
})

describe('a probe without a meaning', () => {
  const NO_PAGE = 'no page that can be told: expected a field pfn, or page and vmemmap'
  const BAD_PAGE = 'no page that can be told: expected a pfn below 2^52, or page a multiple of 64 bytes above vmemmap'
  it.each([
    ['without fields', `lastput_free: ${AT}`, `lastput_free: 1 event has ${NO_PAGE}`],
    ['without vmemmap', 'lastput_free: page=0xffffea0004000040', `lastput_free: 1 event has ${NO_PAGE}`],
    ['with fields in the name of a function', 'lastput_use: (f pfn=0x1 g)', `lastput_use: 1 event has ${NO_PAGE}`],
    ['with a name that has no end', 'lastput_use: (f pfn=0x1 g', `lastput_use: 1 event has ${NO_PAGE}`],
    ['with no number', `lastput_use: page=0xfffz ${VMEMMAP}`, `lastput_use: 1 event has ${NO_PAGE}`],
    [
      'with a fault in place of the number',
      `lastput_use: page=(fault) ${VMEMMAP}`,
      `lastput_use: 1 event has ${NO_PAGE}`,
    ],
    ['with a number of 17 digits', 'lastput_use: pfn=0x10000000000000000', `lastput_use: 1 event has ${NO_PAGE}`],
    ['with 2^64', 'lastput_use: pfn=18446744073709551616', `lastput_use: 1 event has ${NO_PAGE}`],
    ['with 10^400', `lastput_use: pfn=1${'0'.repeat(400)}`, `lastput_use: 1 event has ${NO_PAGE}`],
    [
      'with a page that a task calls itself',
      'lastput_use: pfn=0x1 comm="a pfn=0x2 b"',
      `lastput_use: 1 event has ${NO_PAGE}`,
    ],
    [
      'with a pointer into a page',
      `lastput_free: page=0xffffea0004000041 ${VMEMMAP}`,
      `lastput_free: 1 event has ${BAD_PAGE}`,
    ],
    [
      'with a pointer whose last bits a double loses',
      'lastput_free: page=0x03ffffffffffffc1 vmemmap=0x0',
      `lastput_free: 1 event has ${BAD_PAGE}`,
    ],
    [
      'with a pointer below vmemmap',
      `lastput_free: page=0xffffe9ffffffffc0 ${VMEMMAP}`,
      `lastput_free: 1 event has ${BAD_PAGE}`,
    ],
    ['with a pfn of 2^52', 'lastput_use: pfn=0x10000000000000', `lastput_use: 1 event has ${BAD_PAGE}`],
    ['with a pfn below 0', 'lastput_use: pfn=-1', `lastput_use: 1 event has ${BAD_PAGE}`],
    [
      'of a detector that is none',
      'error_report_end: [?] 12',
      'error_report_end: 1 event has no meaning: expected fields error_detector and id',
    ],
    [
      'of no address',
      'error_report_end: [kasan]',
      'error_report_end: 1 event has no meaning: expected fields error_detector and id',
    ],
  ])('%s is left out', async (_, text, note) => {
    const { recording, events } = await read(pageRef() + line(text))
    expect(events.map(({ op }) => op)).toEqual(['page_ref_set'])
    expect(recording.notes).toEqual([note])
    expect(recording.damage).toEqual([])
  })

  it.each([
    ['upside down', 'start=0x2000 end=0xfff'],
    ['of less than a page', 'start=0x2000 end=0x2ffe'],
    ['without an end', 'start=0x2000'],
    ['without numbers', 'start=a end=b'],
  ])('a range %s is none', async (_, fields) => {
    const { recording, events } = await read(line(`${MEMUNMAP} ${fields}`))
    expect(events).toEqual([probe('lastput_memunmap')])
    expect(recording.notes).toEqual([
      'lastput_memunmap: 1 event has no range that can be told: expected start and end in bytes, end the last one',
    ])
  })

  it('is told of once, with how many there were', async () => {
    const { recording } = await read(
      line('lastput_use: pfn=') + line('lastput_free:').repeat(12) + line('lastput_use:x'),
    )
    expect(recording.notes).toEqual([
      `lastput_free: 12 events have ${NO_PAGE}`,
      `lastput_use: 2 events have ${NO_PAGE}`,
    ])
  })

  it.each(['lastput_fre: pfn=1', 'lastput_freed: pfn=1', 'lastput: pfn=1', 'lastput_free pfn=1'])(
    '%s is another event',
    async text => {
      const { recording, events } = await read(pageRef() + line(text))
      expect(events).toHaveLength(1)
      expect(recording.notes).toEqual([])
    },
  )
})

describe('the end of a recording', () => {
  const endOf = async (text: string) => (await read(text)).recording.info.endTime
  const other = (time: string) => line('tracing_mark_write: end of the recording', 0, time)

  it('is told by an event that is not delivered, if it comes last', async () => {
    expect(await endOf(pageRef() + other('121.5'))).toBe(120_500_000_000)
    expect(await endOf(other('1.0') + pageRef() + other('1.2') + other('1.3'))).toBe(300_000_000)
    expect(await endOf(pageRef() + line('lastput_free:', 0, '1.5'))).toBe(500_000_000)
    expect(await endOf(`${pageRef()}${other('121.5')}no event\n`)).toBe(120_500_000_000)
  })

  it('is not told by events that are, nor by their stacks', async () => {
    expect(await endOf(pageRef())).toBe(undefined)
    expect(await endOf(other('121.5') + pageRef())).toBe(undefined)
    expect(await endOf(`${pageRef()}${line('<stack trace>', 0, '121.5')} => a\n`)).toBe(undefined)
    expect(await endOf(pageRef() + line('page_ref_set: pfn=', 0, '121.5'))).toBe(undefined)
  })

  it('is none that no clock reaches', async () => {
    expect(await endOf(pageRef() + other('9999999999999999.0'))).toBe(undefined)
  })
})

describe('stacks of probes', () => {
  const stack = (cpu: number, frame: string) => `${line('<stack trace>', cpu)} => ${frame}\n`

  it('stand behind them, as behind page_ref events', async () => {
    const text =
      line('lastput_free: pfn=1') +
      pageRef(1) +
      stack(0, 'zone_device_page_free+0x10/0x40') +
      stack(1, 'get_page') +
      line('lastput_memunmap_end: (a+0x1/0x2 <- memunmap_pages)') +
      stack(0, 'release')
    const { recording, events } = await read(text)
    expect(events.map(({ stack }) => frameNames(recording, stack))).toEqual([
      ['zone_device_page_free'],
      ['get_page'],
      ['release'],
    ])
  })

  it('belong to nothing when the probe was left out', async () => {
    const { events } = await read(pageRef() + line('lastput_free:') + stack(0, 'a'))
    expect(events.map(({ stack }) => stack)).toEqual([0])
  })

  it('reach over the end of a batch', async () => {
    const count = 40_000
    const text = `${line('lastput_free: pfn=1')}${stack(0, 'free')}${pageRef()}${stack(0, 'put')}`.repeat(count)
    const { recording, events } = await read(text)
    expect(events).toHaveLength(2 * count)
    const wrong = events.filter(
      ({ op, pfn, count, stack }) =>
        frameNames(recording, stack)[0] !== (op === 'lastput_free' ? 'free' : 'put') ||
        pfn !== (op === 'lastput_free' ? 1 : 0x100000) ||
        count !== (op === 'lastput_free' ? 0 : 1),
    )
    expect(wrong).toEqual([])
  })
})

it('a name of any length is passed over in little time', async () => {
  const name = '('.repeat(100_000)
  const { recording, events } = await read(
    line(`lastput_use: (${name}) pfn=1`) + line(`lastput_use: ${'=a='.repeat(60_000)}`),
  )
  expect(events).toHaveLength(1)
  expect(recording.notes).toHaveLength(1)
})

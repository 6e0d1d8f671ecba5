// SPDX-License-Identifier: GPL-2.0-or-later
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { BlobSource, BytesSource } from '../../../src/trace/common/bytes.ts'
import type { OpenOptions, Recording } from '../../../src/trace/events.ts'
import { sourceInput } from '../../../src/trace/ftracetext/lines.ts'
import { openText } from '../../../src/trace/ftracetext/recording.ts'
import { data, dataPath, program, run } from '../../../testkit/data.ts'
import { type FieldValues, type SynthRecord, writeTraceDat } from '../../../testkit/writers/tracedat.ts'
import { collect, frameNames, type PlainEvent } from '../../support/collect.ts'
import { needs } from '../../support/needs.ts'

const encoder = new TextEncoder()

function open(text: string | Uint8Array, options?: OpenOptions): Promise<Recording> {
  const bytes = typeof text === 'string' ? encoder.encode(text) : text
  return openText(sourceInput(new BytesSource('text', bytes)), options)
}

/** A pipe that gives `size` bytes at a time. */
function pipe(text: string, size: number) {
  const bytes = encoder.encode(text)
  return {
    name: 'pipe',
    size: undefined,
    async *chunks() {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
    },
  }
}

const FIELDS = 'pfn=0xfcf8 flags=none count=1 mapcount=-1 mapping=0000000000000000 mt=1 val=1'
const HEADER = '# tracer: nop\n#\n# entries-in-buffer/entries-written: 10/10   #P:4\n#\n'
const eventLine = (head: string, name = 'page_ref_set', fields = FIELDS) => `${head}: ${name}: ${fields}\n`
const first = async (text: string) => {
  const recording = await open(text)
  const { events, lost } = await collect(recording)
  return { recording, events, lost, event: events[0]! }
}

describe('the head of a line', () => {
  it.each([
    ['tracefs', '          insmod-99      [001] .....     7.106246', 'insmod', 99, 1, 7_106_246_000n],
    ['without irq-info', '          insmod-99      [001]     7.106246', 'insmod', 99, 1, 7_106_246_000n],
    [
      'six flags of a real-time kernel',
      '          insmod-99      [001] d.Nh213     7.106246',
      'insmod',
      99,
      1,
      7_106_246_000n,
    ],
    ['record-tgid', '          insmod-99      (     98) [001] .....     7.106246', 'insmod', 99, 1, 7_106_246_000n],
    [
      'record-tgid, unknown',
      '          <idle>-0       (-------) [003] d..1.     7.106246',
      '<idle>',
      0,
      3,
      7_106_246_000n,
    ],
    ['latency-format', '  insmod-99        1d..1. 7106246us ', 'insmod', 99, 1, 7_106_246_000n],
    ['latency-format with a mark', '  insmod-99        1d..1. 7106246us+', 'insmod', 99, 1, 7_106_246_000n],
    ['latency-format, cpu 12', '  insmod-99       12.N... 12us!', 'insmod', 99, 12, 12_000n],
    ['trace-cmd report', '          insmod-105   [000]     5.935054', 'insmod', 105, 0, 5_935_054_000n],
    ['trace-cmd report -l', '  insmod-105     1.....     7.369095', 'insmod', 105, 1, 7_369_095_000n],
    ['trace-cmd report -t', '          insmod-105   [000]     5.935054123', 'insmod', 105, 0, 5_935_054_123n],
    [
      'a raw counter',
      '          insmod-105   [000] ..... 123456789012345678',
      'insmod',
      105,
      0,
      123_456_789_012_345_678n,
    ],
    ['a small counter', '          insmod-105   [000] ..... 17', 'insmod', 105, 0, 17n],
    ['spaces in the name', '      my task x-105   [000] .....     5.935054', 'my task x', 105, 0, 5_935_054_000n],
    ['a colon and a number', ' kworker/u4:1-25   [000] .....     5.935054', 'kworker/u4:1', 25, 0, 5_935_054_000n],
    [
      'dashes and brackets',
      '  a-1 [002] 3: b-105   [000] .....     5.935054',
      'a-1 [002] 3: b',
      105,
      0,
      5_935_054_000n,
    ],
    ['an equals sign', '           x=>y-105   [000] .....     5.935054', 'x=>y', 105, 0, 5_935_054_000n],
    ['an empty name', '                -105   [000] .....     5.935054', '', 105, 0, 5_935_054_000n],
    ['not UTF-8 alone', '           ünïx-105   [000] .....     5.935054', 'ünïx', 105, 0, 5_935_054_000n],
  ])('%s', async (_, head, name, pid, cpu, time) => {
    const { event, recording } = await first(eventLine(head))
    expect(event).toMatchObject({
      cpu,
      pid,
      time,
      op: 'page_ref_set',
      pfn: 0xfcf8,
      count: 1,
      mapcount: -1,
      mt: 1,
      val: 1,
    })
    expect(recording.tasks.name(pid)).toBe(name)
    expect(recording.damage).toEqual([])
  })

  it('does not take "<...>" for a name', async () => {
    const { recording } = await first(
      eventLine('           <...>-7     [000] .....     1.000000') +
        eventLine('             cat-8     [000] .....     1.000000'),
    )
    expect([recording.tasks.name(7), recording.tasks.name(8)]).toEqual(['<...>', 'cat'])
  })

  it('gives a task its last name', async () => {
    const { recording } = await first(
      eventLine('              sh-7     [000] .....     1.000000') +
        eventLine('             cat-7     [000] .....     1.000000'),
    )
    expect(recording.tasks.name(7)).toBe('cat')
  })

  it('says what the clock counts', async () => {
    expect((await first(eventLine('  a-1 [000] 12'))).recording.info.clock).toBe('ticks')
    expect((await first(eventLine('  a-1 [000] 1.000001'))).recording.info.clock).toBe('unknown')
  })
})

describe('the fields', () => {
  const head = '          insmod-99      [001] .....     7.106246'
  const parse = async (name: string, fields: string) => (await first(eventLine(head, name, fields))).events[0]

  it.each([
    ['page_ref_set', 0],
    ['page_ref_mod', 0],
    ['page_ref_mod_and_test', 5],
    ['page_ref_mod_and_return', 5],
    ['page_ref_mod_unless', 5],
    ['page_ref_freeze', 5],
    ['page_ref_unfreeze', 0],
  ])('%s', async (name, ret) => {
    expect(await parse(name, `${FIELDS}${ret ? ' ret=5' : ''}`)).toMatchObject({ op: name, ret })
  })

  it('takes extremes', async () => {
    const fields =
      'pfn=0xfffffffffffff flags=0xc00000000002000 count=-2147483648 mapcount=2147483647 mapping=ffffeabcdef01234 mt=-1 val=-2147483648 ret=-1'
    expect(await parse('page_ref_freeze', fields)).toMatchObject({
      pfn: 0xfffffffffffff,
      flags: 0xc00000000002000n,
      count: -2147483648,
      mapcount: 2147483647,
      mapping: 0xffffeabcdef01234n,
      mt: -1,
      val: -2147483648,
      ret: -1,
    })
  })

  it('takes them in any order, with others between', async () => {
    const fields = 'val=3 owner=0x12 why? name=a=b count=2  flags=reserved|0x100000 pfn=0x10'
    expect(await parse('page_ref_mod', fields)).toMatchObject({ val: 3, count: 2, pfn: 16, flags: 0x102000n })
  })

  it.each([
    ['(nil)', 0n],
    ['(____ptrval____)', 0n],
    ['0xffff888100afc1d8', 0xffff888100afc1d8n],
    ['00000000c0ffee00', 0xc0ffee00n],
  ])('a mapping of %s', async (text, mapping) => {
    expect(await parse('page_ref_set', FIELDS.replace('0000000000000000', text))).toMatchObject({ mapping })
  })

  it.each([
    ['no pfn', 'flags=none count=1 val=1'],
    ['no val', 'pfn=0x1 flags=none count=1'],
    ['a cut number', 'pfn=0x1 count=1 val='],
    ['no number', 'pfn=0xfcfg count=1 val=1'],
    ['a number of 17 digits', 'pfn=0x12345678901234567 count=1 val=1'],
    ['a number out of range', 'pfn=0x1 count=99999999999 val=1'],
    ['no ret', FIELDS, 'page_ref_freeze'],
  ])('%s is damage, and the next line is read', async (_, fields, name = 'page_ref_set') => {
    const bad = eventLine(head, name, fields)
    const { recording, events } = await first(HEADER + bad + eventLine(head))
    expect(events).toHaveLength(1)
    expect(recording.damage).toEqual([
      { file: 'text', offset: HEADER.length, expected: expect.stringContaining('pfn') },
    ])
  })

  it('knows the raw flags word by its top bits', async () => {
    expect((await first(eventLine(head))).recording.info.rawFlags).toBe(false)
    expect(
      (await first(eventLine(head, 'page_ref_set', FIELDS.replace('none', '0xc00000000000000')))).recording.info
        .rawFlags,
    ).toBe(true)
  })
})

describe('stacks', () => {
  const at = (cpu: number, what: string, pid = 99, time = '7.106246') =>
    `          insmod-${pid}      [00${cpu}] .....     ${time}: ${what}\n`
  const event = (cpu: number, pid?: number) => at(cpu, `page_ref_set: ${FIELDS}`, pid)
  const stack = (cpu: number, ...frames: string[]) =>
    at(cpu, '<stack trace>') + frames.map(frame => ` => ${frame}\n`).join('')

  it('of tracefs, with offsets, modules and addresses', async () => {
    const frames = [
      'plain',
      'with.isra.0+0x10/0x40',
      'in_module [zdbug]',
      'both+0x1a/0x2b [zdbug 0123456789abcdef]',
      'all+0x3/0x9 [mod] <ffffffffc0001003>',
      '0xffffffffc00060c0',
      '[FTRACE TRAMPOLINE]',
    ]
    const { recording, event: got } = await first(event(0) + stack(0, ...frames))
    expect(Array.from(recording.stacks.frames(got.stack), id => recording.stacks.frame(id))).toEqual([
      { name: 'plain', offset: undefined, module: undefined, address: 0n },
      { name: 'with.isra.0', offset: 0x10, module: undefined, address: 0n },
      { name: 'in_module', offset: undefined, module: 'zdbug', address: 0n },
      { name: 'both', offset: 0x1a, module: 'zdbug', address: 0n },
      { name: 'all', offset: 3, module: 'mod', address: 0xffffffffc0001003n },
      { name: '0xffffffffc00060c0', offset: undefined, module: undefined, address: 0xffffffffc00060c0n },
      { name: '[FTRACE TRAMPOLINE]', offset: undefined, module: undefined, address: 0n },
    ])
  })

  it('of trace-cmd, where symbols handed in know more', async () => {
    const text = `${event(0)}${at(0, 'kernel_stack:         <stack trace >')}=> put_page (ffffffff812d95ee)\n=> ffffffffc0001010\n`
    const plain = await open(text)
    const frame = async (recording: Recording, index: number) => {
      const { events } = await collect(recording)
      return recording.stacks.frame(recording.stacks.frames(events[0]!.stack)[index]!)
    }
    expect(await frame(plain, 0)).toEqual({
      name: 'put_page',
      offset: undefined,
      module: undefined,
      address: 0xffffffff812d95een,
    })
    const kallsyms = ['ffffffff812d95e0 T put_page\nffffffffc0001000 t leak\t[zdbug]\n']
    expect(await frame(await open(text, { kallsyms }), 0)).toMatchObject({ name: 'put_page', offset: 14 })
    expect(await frame(await open(text, { kallsyms }), 1)).toMatchObject({ name: 'leak', offset: 16, module: 'zdbug' })
  })

  it('belong to the event before them on their CPU', async () => {
    const text = event(0) + event(1) + stack(0, 'a') + stack(1, 'b') + event(0) + stack(0, 'a')
    const { recording, events } = await first(text)
    expect(events.map(({ stack }) => frameNames(recording, stack))).toEqual([['a'], ['b'], ['a']])
    expect(events[0]!.stack).toBe(events[2]!.stack)
  })

  it('of other events, of user space and of other tasks belong to nothing', async () => {
    const text =
      event(0) +
      at(0, 'sched_switch: prev_comm=a') +
      stack(0, 'a') +
      event(1) +
      at(1, '<user stack trace>') +
      ' =>  <00007f0000001000>\n' +
      event(2, 5) +
      stack(2, 'b')
    const { recording, events } = await first(text)
    expect(events.map(({ stack }) => stack)).toEqual([0, 0, 0])
    expect(recording.damage).toEqual([])
  })

  it('reach over the end of a batch', async () => {
    const count = 70_000
    let text = ''
    for (let i = 0; i < count; i++) text += event(0) + event(1) + stack(0, `zero${i % 3}`) + stack(1, 'one')
    const { recording, events } = await first(text)
    expect(events).toHaveLength(2 * count)
    const wrong = events.filter(
      ({ cpu, stack }, index) => frameNames(recording, stack)[0] !== (cpu ? 'one' : `zero${(index >> 1) % 3}`),
    )
    expect(wrong).toEqual([])
  })

  it('at the end of the text are complete', async () => {
    const { recording, event: got } = await first((event(0) + stack(0, 'a', 'b')).trimEnd())
    expect(frameNames(recording, got.stack)).toEqual(['a', 'b'])
    expect(recording.notes).toEqual([expect.stringContaining('no newline')])
  })
})

describe('lost events', () => {
  const event = (cpu: number, time: string) => eventLine(`   a-1      [00${cpu}] .....     ${time}`)

  it.each([
    ['CPU:1 [LOST 12 EVENTS]', 12],
    ['CPU:1 [LOST EVENTS]', undefined],
    ['        CPU:1 [7 EVENTS DROPPED]', 7],
    ['CPU:1 [EVENTS DROPPED]', undefined],
  ])('%s', async (mark, count) => {
    const text = `${event(1, '1.000001') + event(0, '1.000002') + mark}\n${event(1, '1.000003')}`
    const { lost, recording } = await first(text)
    expect(lost).toEqual([{ cpu: 1, from: 1000, to: 3000, count }])
    expect(recording.timeBase).toBe(1_000_000_000n)
    expect(recording.damage).toEqual([])
  })

  it('before the first and after the last event', async () => {
    const { lost } = await first(
      `CPU:0 [LOST 1 EVENTS]\n${event(0, '1.000001')}CPU:0 [LOST 2 EVENTS]\nCPU:0 [LOST 3 EVENTS]\n`,
    )
    expect(lost).toEqual([
      { cpu: 0, from: Number.NEGATIVE_INFINITY, to: 1000, count: 1 },
      { cpu: 0, from: 1000, to: Number.POSITIVE_INFINITY, count: 5 },
    ])
  })

  it('are what damaged lines may have held', async () => {
    const bad = event(1, '1.000003').replace('val=1', 'val=')
    const { lost } = await first(
      `${event(0, '1.000001')}${event(1, '1.000002')}${bad}${event(1, '1.000004')}rubbish\n${event(0, '1.000005')}`,
    )
    expect(lost).toEqual([
      { cpu: 1, from: 2000, to: 4000, count: 1 },
      // Lines are in order of time, so what this one may have been lies between its neighbours.
      { cpu: 0, from: 4000, to: 5000, count: undefined },
    ])
  })

  it('are none before the first and after the last event, whatever stands there', async () => {
    const text = `$ cat trace\n${event(0, '1.000001')}${event(1, '1.000002')}$ exit\n-- \nJane\n`
    const { lost, recording } = await first(text)
    expect([lost, recording.damage]).toEqual([[], []])
  })

  it('are none where a text is cut in its last line, which is damage', async () => {
    const whole = `${event(0, '1.000001')}${event(1, '1.000002')}`
    for (const cut of [5, 30, 60, 150].map(bytes => whole.length - bytes)) {
      const { lost, recording } = await first(whole.slice(0, cut))
      expect([lost, recording.damage.length]).toEqual([[], 1])
    }
  })

  it('of an overwritten buffer are known before the first event', async () => {
    const header = '# tracer: nop\n#\n# entries-in-buffer/entries-written: 4/100   #P:2\n#\n'
    const text = `${header}${event(0, '1.000001')}${event(0, '1.000002')}##### CPU 1 buffer started ####\n${event(1, '1.000003')}${event(0, '1.000004')}`
    const recording = await open(text)
    const batches: unknown[] = []
    for await (const batch of recording.batches()) batches.push([batch.length, batch.lost])
    expect(batches).toEqual([
      [
        4,
        [
          { cpu: 0, from: Number.NEGATIVE_INFINITY, to: 1000, count: undefined },
          { cpu: 1, from: Number.NEGATIVE_INFINITY, to: 3000, count: undefined },
        ],
      ],
    ])
    expect(recording.notes).toEqual(['96 of 100 events were overwritten before the buffer was read'])
    const piped = await openText(pipe(text, 100))
    expect((await collect(piped)).lost).toEqual([
      { cpu: 1, from: Number.NEGATIVE_INFINITY, to: 3000, count: undefined },
    ])
  })
})

describe('the text as a whole', () => {
  const head = '          insmod-99      [001] .....     7.106246'

  it.each(['', 'hello\nworld\n', '\0\x01\x02\x03', '{"a": "b: c"}\n', 'x'.repeat(3 << 20)])(
    '%.20j is refused',
    async text => {
      await expect(open(text)).rejects.toThrow(/^text: expected trace.dat, perf.data or ftrace text/)
    },
  )

  it('may have no events', async () => {
    const { events, recording } = await first(HEADER)
    expect(events).toEqual([])
    expect(recording.info).toMatchObject({ format: 'ftrace text', cpus: 4 })
  })

  it('of trace-cmd is told by its first line', async () => {
    const { recording } = await first(`cpus=8\n${eventLine(head)}`)
    expect(recording.info).toMatchObject({ format: 'trace-cmd text', cpus: 8 })
  })

  it('tells the kernel in latency-format', async () => {
    const text = `# tracer: nop\n#\n# nop latency trace v1.1.5 on 6.12.117-zdlab\n# latency: 0 us, #4/4, CPU#0 | (M:server VP:0, KP:0, SP:0 HP:0 #P:2)\n${eventLine(head)}`
    expect((await first(text)).recording.info).toMatchObject({ kernel: '6.12.117-zdlab', cpus: 2 })
  })

  it('may end its lines in CR LF', async () => {
    const text =
      HEADER +
      eventLine(head) +
      `${head}: <stack trace>\n => a+0x1/0x2\n => b\n` +
      eventLine(head, 'page_ref_freeze', `${FIELDS} ret=1`)
    const unix = await first(text)
    const windows = await first(text.replaceAll('\n', '\r\n'))
    expect(windows.events).toEqual(unix.events)
    expect(frameNames(windows.recording, windows.event.stack)).toEqual(['a', 'b'])
    expect(windows.recording.damage).toEqual([])
  })

  it('is the same in whatever pieces it comes', async () => {
    const text =
      HEADER + `${eventLine(head)}${head}: <stack trace>\n => a\n => b\nCPU:1 [LOST 3 EVENTS]\nrubbish\n`.repeat(20)
    const whole = await first(text)
    for (const size of [1, 2, 3, 7, 100, 1000]) {
      const recording = await openText(pipe(text, size))
      const { events, lost } = await collect(recording)
      expect(events).toEqual(whole.events)
      expect(lost).toEqual(whole.lost)
      expect(recording.damage.map(damage => damage.offset)).toEqual(whole.recording.damage.map(damage => damage.offset))
    }
  })

  it('passes over other events, also over their further lines', async () => {
    const { events, recording } = await first(
      `${HEADER}${head}: bprint: one\ntwo\nthree\n${head}: sched_switch: a=b ==> c\n${eventLine(head)}`,
    )
    expect(events).toHaveLength(1)
    expect(recording.damage).toEqual([])
  })

  it('reports a bounded number of damaged lines', async () => {
    const { events, recording } = await first(HEADER + eventLine(head) + 'rubbish\n'.repeat(1000) + eventLine(head))
    expect(events).toHaveLength(2)
    expect(recording.damage).toHaveLength(100)
    expect(recording.notes).toEqual(['900 more damaged lines'])
  })

  it('with a line without end does not fill memory', async () => {
    const { events, recording } = await first(`${eventLine(head)}${'x'.repeat(5 << 20)}\n${eventLine(head)}`)
    expect(events).toHaveLength(2)
    expect(recording.damage[0]).toMatchObject({ expected: expect.stringContaining('bytes') })
  })

  it('reads the buffer asked for', async () => {
    const text = `cpus=1\n                 sh-1 [000] 1.000000: page_ref_set: ${FIELDS}\nsecond:          sh-2 [000] 1.000000: page_ref_mod: ${FIELDS}\n`
    const top = await first(text)
    expect(top.events.map(({ pid }) => pid)).toEqual([1])
    expect(top.recording.notes).toEqual(['events of other trace buffers were not read: second'])
    const second = await open(text, { buffer: 'second' })
    expect((await collect(second)).events.map(({ pid }) => pid)).toEqual([2])
    expect(second.tasks.name(2)).toBe('sh')
  })

  it('can be read once', async () => {
    const recording = await open(eventLine(head))
    await collect(recording)
    await expect(collect(recording)).rejects.toThrow('once')
  })
})

// A parser of its own for the comparison: slow, and written from the kernel's format string.
const LINE =
  /^\s*(.*)-(\d+)\s+\[(\d+)\](?:\s+\S+)?\s+(\d+)\.(\d+): (page_ref_\w+):\s+pfn=(0x[0-9a-f]+) flags=(\S+) count=(-?\d+) mapcount=(-?\d+) mapping=(\S+) mt=(-?\d+) val=(-?\d+)(?: ret=(-?\d+))?$/

function naive(text: string): Omit<PlainEvent, 'flags' | 'stack'>[] {
  return text.split('\n').flatMap(line => {
    const match = LINE.exec(line)
    if (!match) return []
    const [, , pid, cpu, seconds, micros, op, pfn, , count, mapcount, mapping, mt, val, ret = '0'] = match
    const digits = mapping!.replace(/^0x/, '')
    return {
      time: BigInt(seconds! + micros!) * 1000n,
      cpu: Number(cpu),
      op: op!,
      pid: Number(pid),
      pfn: Number(pfn),
      count: Number(count),
      mapcount: Number(mapcount),
      mapping: mapping === '(nil)' ? 0n : BigInt(`0x${digits}`),
      mt: Number(mt),
      val: Number(val),
      ret: Number(ret),
    }
  })
}

describe('texts of real kernels', () => {
  for (const file of [
    '6.12/ftrace-text-leak/trace.txt',
    '6.12/ftrace-text-ok/trace.txt',
    '6.12/ftrace-text-ok/ftrace-stacks.txt',
  ]) {
    needs(data(file)).test(file, async () => {
      const bytes = readFileSync(dataPath(file))
      const recording = await openText(sourceInput(new BlobSource('blob', new Blob([bytes]))))
      const { events } = await collect(recording)
      const expected = naive(bytes.toString())
      expect(expected.length).toBeGreaterThan(3000)
      expect(events.map(({ flags, stack, ...rest }) => rest)).toEqual(expected)
      expect(recording.damage).toEqual([])
      expect(events.every(({ stack }) => stack !== 0)).toBe(file.endsWith('stacks.txt'))
    })
  }

  for (const folder of ['6.12/zdbug-leak', '5.10/zdbug-race', '7.3/p2pdma-stacks']) {
    needs(program('trace-cmd'), data(`${folder}/trace.dat`)).test(`trace-cmd report of ${folder}`, async () => {
      const text = run('trace-cmd', ['report', dataPath(`${folder}/trace.dat`)])
      const recording = await open(text)
      const { events } = await collect(recording)
      const expected = naive(text)
      expect(expected.length).toBeGreaterThan(1000)
      expect(events.map(({ flags, stack, ...rest }) => rest)).toEqual(expected)
      expect(recording.damage).toEqual([])
    })
  }
})

needs(program('trace-cmd')).describe('what trace-cmd report makes of a known recording', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lastput-text-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  const values = (val: number): FieldValues => ({
    pfn: 0xfcf8 + val,
    flags: 0x1800000000000011n,
    count: val,
    mapcount: -1,
    mapping: 0xffff888100afc1d8n,
    mt: 1,
    val,
    ret: 1,
  })
  const event = (time: bigint, name: string, val: number): SynthRecord => ({
    kind: 'event',
    time,
    event: `page_ref_${name}`,
    pid: 42,
    values: values(val),
  })
  const records: SynthRecord[] = [
    event(1_000_001_000n, 'set', 1),
    { kind: 'stack', time: 1_000_001_000n, pid: 42, frames: [0xffffffff81000010n, 0xffffffff81000108n] },
    event(1_000_002_000n, 'mod_and_test', 2),
    { kind: 'lost', count: 9 },
    event(1_000_003_000n, 'mod_unless', 3),
  ]
  const file = join(folder, 'trace.dat')
  writeFileSync(
    file,
    writeTraceDat({
      version: 7,
      compression: 'zstd',
      kallsyms: 'ffffffff81000000 T foo\nffffffff81000100 t bar\nffffffff81000200 t end\n',
      cmdlines: '42 my task\n',
      buffers: [{ name: '', cpus: new Map([[1, records]]) }],
    }).bytes,
  )

  it.each(['', '-l', '-t', '-R', '--ts-diff', '-l -t'])('trace-cmd report %s', async text => {
    const options = text.split(' ').filter(Boolean)
    const recording = await open(run('trace-cmd', ['report', ...options, file]))
    const { events, lost } = await collect(recording)
    expect(events).toMatchObject(
      [1, 2, 3].map(val => ({
        time: 1_000_000_000n + BigInt(val) * 1000n,
        cpu: 1,
        pid: 42,
        pfn: 0xfcf8 + val,
        count: val,
        mapcount: -1,
        mapping: 0xffff888100afc1d8n,
        mt: 1,
        val,
        ret: val === 1 ? 0 : 1,
      })),
    )
    expect(events[0]!.flags).toBe(options.includes('-R') ? 0x1800000000000011n : 0x11n)
    expect(recording.info.rawFlags).toBe(options.includes('-R'))
    if (!options.includes('-R')) expect(frameNames(recording, events[0]!.stack)).toEqual(['foo', 'bar'])
    expect(lost).toEqual([{ cpu: 1, from: 2000, to: 3000, count: 9 }])
    expect(recording.tasks.name(42)).toBe('my task')
    expect(recording.damage).toEqual([])
  })
})

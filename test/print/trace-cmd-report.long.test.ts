// SPDX-License-Identifier: GPL-2.0-or-later
// What `lastput events` prints is held to trace-cmd report, on recordings of real kernels and on made-up events.

import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { nodeCodecs } from '../../src/node/codecs.ts'
import { FileSource } from '../../src/node/source.ts'
import { eventText } from '../../src/print/event-lines.ts'
import { reportText } from '../../src/print/trace-cmd-report.ts'
import { BytesSource } from '../../src/trace/common/bytes.ts'
import type { ByteSource, Damage } from '../../src/trace/events.ts'
import { openRecording } from '../../src/trace/open.ts'
import { data, dataPath, program, run, runBytes } from '../../testkit/data.ts'
import {
  commonFields,
  type FieldSpec,
  pageRefEvents,
  type SynthRecord,
  type TraceDatSpec,
  writeTraceDat,
} from '../../testkit/writers/tracedat.ts'
import { needs, some } from '../support/needs.ts'

const folder = mkdtempSync(join(tmpdir(), 'lastput-report-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** Recordings larger than this are compared as a whole by `npm run compare` only. */
const LARGE = 4 << 20

function recordings(): string[] {
  if (data()) return []
  const found = readdirSync(dataPath('.'), { recursive: true, encoding: 'utf8' })
  return found.filter(path => path.endsWith('trace.dat')).sort()
}

async function ourText(source: ByteSource): Promise<string> {
  const damage: Damage[] = []
  let text = ''
  for await (const part of reportText(source, damage, { codecs: nodeCodecs })) text += part
  expect(damage).toEqual([])
  return text
}

const hash = (text: string | Uint8Array) => createHash('sha256').update(text).digest('hex')

const small = recordings().filter(path => statSync(dataPath(path)).size <= LARGE)

needs(program('trace-cmd'), some(small)).describe('the text of trace-cmd report', () => {
  it.each(small)('%s', async path => {
    const source = new FileSource(dataPath(path))
    const ours = await ourText(source)
    source.close()
    const theirs = runBytes('trace-cmd', ['report', dataPath(path)])
    if (hash(ours) === hash(theirs)) return
    // The first lines that differ say more than two hashes.
    const [left, right] = [ours.split('\n'), theirs.toString().split('\n')]
    const first = left.findIndex((line, i) => line !== right[i])
    expect(left.slice(first, first + 5)).toEqual(right.slice(first, first + 5))
  })
})

/** The columns' text of a page_ref event, next to trace-cmd's: the fields in raw, which trace-cmd shows with -R. */
const chosen = small.filter(path => /zdbug-(race|leak|ok-nostack)|hmm-one-migrate|p2pdma/.test(path))

needs(program('trace-cmd'), some(chosen)).describe('every field of every event, from the columns', () => {
  it.each(chosen)('%s', async path => {
    const source = new FileSource(dataPath(path))
    const recording = await openRecording(source, { codecs: nodeCodecs })
    let ours = ''
    for await (const part of eventText(recording)) ours += part
    source.close()
    const theirs = run('trace-cmd', ['report', '-R', dataPath(path)])
    expect(pageRefLines(ours)).toEqual(pageRefLines(theirs))
    expect(stacks(ours)).toEqual(stacks(run('trace-cmd', ['report', dataPath(path)])))
  })

  /** task-pid [cpu] time: event: name=value..., all values as numbers. */
  function pageRefLines(text: string): string[] {
    const lines: string[] = []
    for (const line of text.split('\n')) {
      const match = /^\s*(.*?-\d+\s+\[\d+\]\s+[\d.]+: page_ref_\w+):\s*(.*)$/.exec(line)
      if (!match) continue
      const values = match[2]!.replaceAll('(nil)', '0').replace(/=(-?\w+)/g, (_, value: string) => `=${numeral(value)}`)
      lines.push(`${match[1]!} ${values}`)
    }
    return lines
  }

  /** Addresses of each stack, in no order: trace-cmd shows a stack where its own time puts it. */
  function stacks(text: string): string[] {
    const blocks = text.split('<stack trace >\n').slice(1)
    return blocks
      .map(block => (block.match(/^=> .*$/gm) ?? []).map(line => /(\w+)\)?$/.exec(line)![1]).join(' '))
      .sort()
  }

  const numeral = (text: string) => (text.startsWith('-') ? text : BigInt(text).toString())
})

const field = (name: string, type: string, size: number, more: Partial<FieldSpec> = {}): FieldSpec => ({
  name,
  type,
  size,
  signed: !/unsigned|u\d|\*/.test(type),
  ...more,
})

/** Print formats of all sorts, each with the values of its fields. */
const formats: { print: string; fields: FieldSpec[]; values: { [name: string]: number | bigint | number[] } }[] = [
  {
    print:
      '"%d %u %x %X %o %5d|%-5d|%05d|%+d|%#x %c", REC->a, REC->a, REC->a, REC->a, REC->a, REC->b, REC->b, REC->b, REC->b, REC->b, REC->c',
    fields: [field('a', 'int', 4), field('b', 'int', 4), field('c', 'char', 1)],
    values: { a: -7, b: 42, c: 65 },
  },
  {
    print: '"%ld %lu %lx %lld %llu %hd %hhd %zu", REC->l, REC->l, REC->l, REC->l, REC->l, REC->l, REC->l, REC->l',
    fields: [field('l', 'long', 8)],
    values: { l: -1234567890123456789n },
  },
  {
    print:
      '"%s %s", __print_symbolic(REC->a, { 0, "zero" }, { 1, "one" }, { 0x10, "sixteen" }, { -1, "minus" }), __print_symbolic(REC->b, { 1, "one" })',
    fields: [field('a', 'int', 4), field('b', 'int', 4)],
    values: { a: 16, b: 99 },
  },
  {
    print:
      '"[%s] [%s] [%s] [%s]", __print_flags(REC->a, "|", { 1, "A" }, { 2, "B" }, { 8, "D" }), __print_flags(REC->b, ",", { 1UL << 3, "D" }, { (1 << 2) | 1, "AC" }), __print_flags(REC->z, "|", { 1, "A" }), __print_flags(REC->a, "", { 1, "A" }, { 2, "B" })',
    fields: [field('a', 'unsigned int', 4), field('b', 'unsigned long', 8), field('z', 'int', 4)],
    values: { a: 0x13, b: 0xdn, z: 0 },
  },
  {
    print:
      '"%d %d %d %d %d %d %d", REC->a + 2 * 3, (REC->a + 2) * 3, REC->a << 4 | 1, REC->a == 5 ? 10 : 20, !REC->a, ~REC->a & 0xff, (REC->a > 3) && (REC->b < 2)',
    fields: [field('a', 'int', 4), field('b', 'int', 4)],
    values: { a: 5, b: 1 },
  },
  {
    print: '"%s %d", REC->a ? "yes" : "no", (unsigned char)REC->b',
    fields: [field('a', 'int', 4), field('b', 'int', 4)],
    values: { a: 1, b: 0x1ff },
  },
  {
    print: '"name=%s len=%d [%8s] [%-8s] [%.2s]", REC->comm, REC->a, REC->comm, REC->comm, REC->comm',
    fields: [field('comm', 'char', 1, { count: 16 }), field('a', 'int', 4)],
    values: { comm: [...'kworker'].map(c => c.charCodeAt(0)), a: 7 },
  },
  {
    print: '"%p %p %ps %pS %pS", REC->nil, REC->ptr, (void *)REC->fun, (void *)REC->fun, (void *)REC->nil',
    fields: [field('nil', 'void *', 8), field('ptr', 'void *', 8), field('fun', 'unsigned long', 8)],
    values: { nil: 0, ptr: 0xffff888001020304n, fun: 0xffffffff81000108n },
  },
  { print: '"%d%% of 100\\n", REC->a', fields: [field('a', 'int', 4)], values: { a: 12 } },
  {
    print: '"%d %d", REC->arr[1], REC->arr[3]',
    fields: [field('arr', 'int', 4, { count: 4 })],
    values: { arr: [10, 20, 30, 40] },
  },
  {
    print: '"%s", __print_hex(REC->raw, 4)',
    fields: [field('raw', 'unsigned char', 1, { count: 4 })],
    values: { raw: [1, 0xab, 3, 255] },
  },
  {
    print: '"%s", __print_array(REC->raw, 3, 4)',
    fields: [field('raw', 'unsigned int', 4, { count: 3 })],
    values: { raw: [1, 0xab, 30000] },
  },
  {
    print: '"unparsable %s", unheard_of(REC->a)',
    fields: [field('a', 'int', 4), field('l', 'unsigned long', 8), field('s', 'short', 2), field('p', 'void *', 8)],
    values: { a: -3, l: 0x1234n, s: -4, p: 0x99n },
  },
]

const madeUp: TraceDatSpec = {
  version: 7,
  compression: 'zstd',
  kallsyms: 'ffffffff81000000 T foo\nffffffff81000100 t bar\nffffffff81000200 t baz\t[mod]\nffffffff81000300 t end\n',
  cmdlines: '42 my task\n43 a name that is longer\n',
  events: [
    ...pageRefEvents(8),
    ...formats.map(({ print, fields }, i) => ({
      system: 'made_up',
      name: i === 3 ? 'a_name_longer_than_twenty_characters' : `made_up_${i}`,
      id: 1000 + i,
      fields: [...commonFields(), ...fields],
      print,
    })),
  ],
  buffers: [],
}

function compare(spec: TraceDatSpec): Promise<void> {
  const { bytes } = writeTraceDat(spec)
  const path = join(folder, 'trace.dat')
  writeFileSync(path, bytes)
  const theirs = run('trace-cmd', ['report', path])
  return expect(ourText(new BytesSource(path, bytes))).resolves.toEqual(theirs)
}

needs(program('trace-cmd')).describe('made-up events look as in trace-cmd report', () => {
  it.each(formats.map(({ print }, i) => [print, i] as const))('%s', async (_, i) => {
    const name = madeUp.events![7 + i]!.name
    const records: SynthRecord[] = [{ kind: 'event', time: 5n, event: name, pid: 42, values: formats[i]!.values }]
    await compare({ ...madeUp, buffers: [{ name: '', cpus: new Map([[0, records]]) }] })
  })

  const set = (time: bigint, pid = 42): SynthRecord => ({
    kind: 'event',
    time,
    event: 'page_ref_set',
    pid,
    values: { pfn: 5 },
  })

  it('times, tasks, lost events, stacks, buffers, unknown events', async () => {
    await compare({
      ...madeUp,
      cpuCount: 4,
      buffers: [
        {
          name: '',
          cpus: new Map([
            [
              0,
              [
                set(1_999_999_499n),
                set(1_999_999_500n, 0),
                set(123_456_789_000_000_000n, 43),
                { kind: 'lost', count: 3 },
                set(123_456_789_000_000_001n, 77777),
                { kind: 'lost' },
                set(123_456_789_000_000_002n),
                {
                  kind: 'stack',
                  time: 123_456_789_000_000_003n,
                  frames: [0xffffffff81000000n, 0xffffffff81000150n, 5n],
                },
                { kind: 'raw', time: 123_456_789_000_000_004n, payload: Uint8Array.of(0x39, 0x30, 0, 0, 42, 0, 0, 0) },
              ],
            ],
            [
              3,
              [
                set(1_999_999_499n),
                { kind: 'lost', count: 9 },
                { kind: 'extend', time: 2_000_000_000n },
                set(2_100_000_000n),
              ],
            ],
          ]),
        },
        { name: 'inst', cpus: new Map([[1, [set(1_999_999_400n), set(5_000_000_000n)]]]) },
        { name: 'longer', cpus: new Map([[1, [set(1_999_999_499n)]]]) },
      ],
    })
  })

  it.each([
    { version: 6, bigEndian: true, longSize: 8 },
    { version: 6, bigEndian: false, longSize: 4 },
    { version: 7, bigEndian: true, longSize: 4 },
  ] as const)('%o', async variant => {
    const records: SynthRecord[] = [
      {
        ...set(7n),
        values: { pfn: 0x1234, flags: 0x45, count: -3, mapcount: -1, mapping: 0x8000, val: -7 },
      } as SynthRecord,
      { kind: 'stack', time: 9n, frames: [0xc1000010n, 0xc1000150n] },
    ]
    await compare({
      ...variant,
      kallsyms: 'c1000000 T foo\nc1000100 t bar\nc1000200 t end\n',
      buffers: [{ name: '', cpus: new Map([[0, records]]) }],
    })
  })
})

// SPDX-License-Identifier: GPL-2.0-or-later
// The writer is the ground for the readers' tests, so it is held to a reader that is not ours: trace-cmd report.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { program, run, runBytes } from '../../testkit/data.ts'
import {
  commonFields,
  type FieldValues,
  pageRefEvents,
  type SynthRecord,
  type TraceDatSpec,
  writeTraceDat,
} from '../../testkit/writers/tracedat.ts'
import { needs } from '../support/needs.ts'

const folder = mkdtempSync(join(tmpdir(), 'lastput-writer-'))
afterAll(() => rmSync(folder, { recursive: true }))

function report(spec: TraceDatSpec): string[] {
  const file = join(folder, 'trace.dat')
  writeFileSync(file, writeTraceDat(spec).bytes)
  return run('trace-cmd', ['report', file])
    .trimEnd()
    .split('\n')
    .map(line => line.trim().replace(/\s+/g, ' '))
}

function event(time: bigint, name: string, values: FieldValues = {}): SynthRecord {
  const rest = { pfn: 0xfcf8, flags: 0x11, count: 1, mapcount: -1, mt: 1, val: 1 }
  return { kind: 'event', time, event: `page_ref_${name}`, pid: 42, values: { ...rest, ...values } }
}

const line = (cpu: number, time: string, name: string, rest = 'val=1') =>
  `my task-42 [00${cpu}] ${time}: page_ref_${name}: pfn=0xfcf8 flags=locked|dirty count=1 mapcount=-1 mapping=(nil) mt=1 ${rest}`

/** trace-cmd of Debian is built without zlib. */
const compressions = ['none', 'zstd'] as const
const variants = ([6, 7] as const).flatMap(version =>
  (version === 6 ? (['none'] as const) : compressions).flatMap(compression =>
    [false, true].flatMap(bigEndian =>
      ([8, 4] as const).map(longSize => ({ version, compression, bigEndian, longSize })),
    ),
  ),
)

needs(program('trace-cmd')).describe('trace-cmd report reads what the writer writes', () => {
  it.each(variants)('%o', variant => {
    const base = variant.longSize === 8 ? 0xffffffff81000000n : 0xc1000000n
    const hex = (offset: bigint) => (base + offset).toString(16)
    const lines = report({
      ...variant,
      cpuCount: 3,
      kallsyms: `${hex(0n)} T foo\n${hex(0x100n)} t bar\n${hex(0x200n)} t baz\t[mod]\n${hex(0x300n)} t end\n`,
      cmdlines: '42 my task\n43 other\n',
      buffers: [
        {
          name: '',
          cpus: new Map([
            [
              0,
              [
                event(1_000_000_000n, 'set'),
                { kind: 'stack', time: 1_000_001_000n, pid: 42, frames: [base + 0x10n, base + 0x108n, base + 0x201n] },
                event(1_200_000_000n, 'mod_and_test', { ret: 1 }),
                { kind: 'discarded', time: 1_200_000_100n, bytes: 20 },
                event(1_200_001_000n, 'mod'),
                { kind: 'stamp', time: 1_300_000_000n },
                event(1_300_000_600n, 'freeze'),
                { kind: 'lost', count: 7 },
                event(1_400_000_000n, 'set'),
                { kind: 'lost' },
                event(1_400_001_000n, 'set'),
              ],
            ],
            [2, [event(1_000_000_600n, 'mod_and_return', { ret: 3 }), event(9_000_000_000n, 'mod_unless')]],
          ]),
        },
        { name: 'second', cpus: new Map([[1, [event(1_000_000_700n, 'unfreeze')]]]) },
      ],
    })
    expect(lines).toEqual([
      'cpus=3',
      line(0, '1.000000', 'set'),
      line(2, '1.000001', 'mod_and_return', 'val=1 ret=3'),
      `second: ${line(1, '1.000001', 'unfreeze')}`,
      'my task-42 [000] 1.000001: kernel_stack: <stack trace >',
      `=> foo (${hex(0x10n)})`,
      `=> bar (${hex(0x108n)})`,
      `=> baz (${hex(0x201n)})`,
      line(0, '1.200000', 'mod_and_test', 'val=1 ret=1'),
      line(0, '1.200001', 'mod'),
      line(0, '1.300001', 'freeze', 'val=1 ret=0'),
      'CPU:0 [7 EVENTS DROPPED]',
      line(0, '1.400000', 'set'),
      'CPU:0 [EVENTS DROPPED]',
      line(0, '1.400001', 'set'),
      line(2, '9.000000', 'mod_unless', 'val=1 ret=0'),
    ])
  })

  it('lays events out as their fields say, with lengths in array[0], over many sub-buffers and chunks', () => {
    const events = pageRefEvents(8).map(spec => ({
      ...spec,
      fields: [
        ...commonFields(),
        { name: 'owner', type: 'char', size: 1, signed: false, count: 16 },
        ...spec.fields.slice(4).reverse(),
      ],
    }))
    const count = 1000
    const records = Array.from({ length: count }, (_, index) =>
      event(BigInt(index) * 1_000_000n, 'set', { val: index }),
    )
    for (const longLengths of [false, true]) {
      const lines = report({
        version: 7,
        compression: 'zstd',
        chunkPages: 2,
        longLengths,
        events,
        buffers: [{ name: '', cpus: new Map([[0, records]]) }],
      })
      expect(lines.slice(1).map(text => text.split('val=')[1])).toEqual(records.map((_, index) => String(index)))
    }
  })

  needs(program('zstd')).test('takes a real compressor', () => {
    const zstd = (input: Uint8Array) => runBytes('zstd', ['-q', '-c'], { input })
    const lines = report({
      version: 7,
      compression: 'zstd',
      zstd,
      cmdlines: '42 my task\n',
      buffers: [{ name: '', cpus: new Map([[0, [event(1_000_000_000n, 'set')]]]) }],
    })
    expect(lines).toEqual(['cpus=1', line(0, '1.000000', 'set')])
  })
})

describe('marks', () => {
  it('say where the numbers stand', () => {
    const spec: TraceDatSpec = {
      version: 7,
      compression: 'zstd',
      chunkPages: 1,
      buffers: [{ name: '', cpus: new Map([[0, [event(1n, 'set'), { kind: 'page' }, event(2n, 'set')]]]) }],
    }
    const { bytes, marks } = writeTraceDat(spec)
    const view = new DataView(bytes.buffer)
    const at = (what: string) => marks.filter(mark => mark.what === what).map(mark => view.getUint32(mark.offset, true))
    expect(at('page size')).toEqual([4096])
    expect(at('chunk count')).toEqual([2])
    expect(at('chunk uncompressed size')).toEqual([4096, 4096])
  })
})

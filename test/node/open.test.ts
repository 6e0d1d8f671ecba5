// SPDX-License-Identifier: GPL-2.0-or-later
// What Node adds to the readers: files, standard input, worker threads. The compiled program is run, as a user does.

import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { nodeCodecs } from '../../src/node/codecs.ts'
import { openFile } from '../../src/node/open.ts'
import { FileSource } from '../../src/node/source.ts'
import { portableZstd, unpackCopy, unpackerOf } from '../../src/trace/common/compression.ts'
import type { EventBatch, Recording } from '../../src/trace/events.ts'
import { openRecording } from '../../src/trace/open.ts'
import { data, dataPath } from '../../testkit/data.ts'
import { pageRefEvents, type SynthRecord, storedZstd, writeTraceDat } from '../../testkit/writers/tracedat.ts'
import { needs } from '../support/needs.ts'

const folder = mkdtempSync(join(tmpdir(), 'lastput-node-'))
afterAll(() => rmSync(folder, { recursive: true }))

const dist = (path: string) => fileURLToPath(new URL(`../../dist/${path}`, import.meta.url))
const built = existsSync(dist('cli/main.js')) ? undefined : 'build (npm run build)'

/** A sum over every column in order of time, with the stacks' addresses, that no swapped or lost value leaves alone. */
async function digest(recording: Recording): Promise<{ events: number; sum: number }> {
  let events = 0
  let sum = 0
  const mix = (value: number) => {
    sum = (Math.imul(sum ^ (value | 0), 0x9e3779b1) ^ (sum >>> 15)) | 0
  }
  const stacks = new Map<number, number>()
  const stackSum = (stack: number) => {
    let known = stacks.get(stack)
    if (known === undefined) {
      const addresses = Array.from(recording.stacks.frames(stack), id => recording.stacks.frame(id).address)
      known = addresses.reduce((sum, address) => Math.imul(sum, 31) + Number(address & 0xffffffffn), 7) | 0
      stacks.set(stack, known)
    }
    return known
  }
  for await (const batch of recording.batches()) {
    for (let k = 0; k < batch.length; k++) mixRow(batch, batch.order[k]!)
    events += batch.length
  }
  function mixRow(b: EventBatch, i: number): void {
    for (const column of [b.time, b.cpu, b.op, b.pid, b.pfn, b.flagsLow, b.flagsHigh, b.count, b.mapcount])
      mix(column[i]!)
    for (const column of [b.mappingLow, b.mappingHigh, b.mt, b.val, b.ret]) mix(column[i]!)
    mix(stackSum(b.stack[i]!))
  }
  return { events, sum }
}

const LARGE = '6.12/hmm-private-stacks/trace.dat'

needs(data(LARGE), built).describe('worker threads', () => {
  it('give what one thread gives', async () => {
    const { openFile } = (await import(dist('node/open.js'))) as typeof import('../../src/node/open.ts')
    const pooled = await openFile(dataPath(LARGE))
    const many = await digest(pooled)
    await pooled.close()
    const source = new FileSource(dataPath(LARGE))
    const one = await digest(await openRecording(source, { codecs: nodeCodecs }))
    source.close()
    expect(many).toEqual(one)
    expect(many.events).toBe(2_790_544)
  })

  it('end when nobody reads on', async () => {
    const { openFile } = (await import(dist('node/open.js'))) as typeof import('../../src/node/open.ts')
    const recording = await openFile(dataPath(LARGE))
    for await (const batch of recording.batches()) {
      expect(batch.length).toBeGreaterThan(0)
      break
    }
    await recording.close()
  })
})

describe('decompressors', () => {
  const text = new TextEncoder().encode('lastput '.repeat(5000))

  it('of zstd refuse what is damaged, and go on', async () => {
    for (const unpack of [await portableZstd(), await nodeCodecs.zstd()]) {
      const packed = storedZstd(text)
      expect(await unpack(packed, text.length)).toEqual(text)
      expect(() => unpack(packed.subarray(0, 100), text.length)).toThrow()
      expect(() => unpack(packed, text.length - 1)).toThrow()
      expect(() => unpack(packed, text.length + 1)).toThrow(/instead of/)
      expect(() => unpack(text, text.length)).toThrow()
      expect(await unpack(packed, text.length)).toEqual(text)
    }
  })

  it('of zstd share memory, which a copy does not', async () => {
    const unpack = await portableZstd()
    const texts = ['one'.repeat(99), 'two'.repeat(99)].map(text => new TextEncoder().encode(text))
    const copies = await Promise.all(texts.map(text => unpackCopy(unpack, storedZstd(text), text.length)))
    expect(copies).toEqual(texts)
  })

  it('of zlib refuse what is damaged, and what is more than was said', async () => {
    const { deflateSync } = await import('node:zlib')
    const packed = deflateSync(text)
    const portable = (await unpackerOf('zlib'))!
    expect(await portable(packed, text.length)).toEqual(text)
    await expect(portable(packed, text.length - 1)).rejects.toThrow(/more than/)
    await expect(portable(packed.subarray(0, 50), text.length)).rejects.toThrow()
    const native = await nodeCodecs.zlib()
    expect(Buffer.from(await native(packed, text.length))).toEqual(Buffer.from(text))
    expect(() => native(packed, text.length - 1)).toThrow()
  })
})

const record = (time: bigint, event = 'page_ref_set'): SynthRecord => ({
  kind: 'event',
  time,
  event,
  pid: 42,
  values: { pfn: 0x99, count: 1, val: 1 },
})
const { bytes } = writeTraceDat({
  version: 7,
  compression: 'zstd',
  cmdlines: '42 my task\n',
  kallsyms: 'ffffffff81000000 T foo\nffffffff81000300 t end\n',
  events: pageRefEvents(8),
  buffers: [
    {
      name: '',
      cpus: new Map([
        [
          0,
          [
            record(1_000_000_000n),
            { kind: 'stack', time: 1_000_000_001n, pid: 42, frames: [0xffffffff81000010n, 0xffffffffc0000008n] },
            { kind: 'lost', count: 5 },
            record(2_000_000_000n, 'page_ref_freeze'),
          ],
        ],
      ]),
    },
  ],
})
const file = join(folder, 'trace.dat')
writeFileSync(file, bytes)
writeFileSync(join(folder, 'kallsyms'), 'ffffffffc0000000 t helper\t[mod]\n')

describe('files', () => {
  it('are closed with their recording', async () => {
    const recording = await openFile(file)
    expect((await digest(recording)).events).toBe(2)
    await recording.close()
    await recording.close()
  })

  it('that are not there say so', async () => {
    await expect(openFile(join(folder, 'none'))).rejects.toThrow(/ENOENT/)
  })

  it('that shrink while they are read end in an error, not in zeroes', async () => {
    const path = join(folder, 'shrinking')
    writeFileSync(path, bytes)
    const source = new FileSource(path)
    writeFileSync(path, bytes.subarray(0, 100))
    await expect(openRecording(source)).rejects.toThrow(/shrank|expected/)
    source.close()
  })
})

/** Runs the compiled command. */
function events(args: string[], input?: Uint8Array): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [dist('cli/main.js'), 'events', ...args], {
    encoding: 'utf8',
    ...(input ? { input } : {}),
  })
  return { status, stdout, stderr }
}

needs(built).describe('lastput events', () => {
  const text = events([file])

  it('shows a file, and the same from standard input', () => {
    // Events were lost, so that not all is shown.
    expect(text.status).toBe(3)
    expect(text.stdout.split('\n')[0]).toBe('cpus=1')
    expect(text.stdout).toMatch(/^ {9}my task-42 {4}\[000\] {5}1\.000000: page_ref_set: {9}pfn=0x99 /m)
    expect(text.stdout).toContain('CPU:0 [5 EVENTS DROPPED]\n')
    expect(events(['-'], bytes)).toEqual(text)
  })

  it('shows JSON lines, with symbols from elsewhere', () => {
    const { stdout, status } = events(['--json', '--kallsyms', join(folder, 'kallsyms'), file])
    expect(status).toBe(3)
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line))
    const values = { pfn: '0x99', flags: '0x0', count: 1, mapcount: 0, mapping: '0x0', mt: 0, val: 1 }
    expect(lines).toEqual([
      // The last record before the gap is the stack.
      { lost: { cpu: 0, count: 5, from: '1.000000001', to: '2.000000000' } },
      {
        time: '1.000000000',
        cpu: 0,
        task: 'my task',
        pid: 42,
        event: 'page_ref_set',
        ...values,
        stack: [
          { function: 'foo', offset: 16, address: '0xffffffff81000010' },
          { function: 'helper', offset: 8, module: 'mod', address: '0xffffffffc0000008' },
        ],
      },
      { time: '2.000000000', cpu: 0, task: 'my task', pid: 42, event: 'page_ref_freeze', ...values, ret: 0 },
      { complete: false, reasons: [{ reason: 'lost-events', text: expect.any(String) }] },
    ])
  })

  it('shows what there is of a damaged file and exits 3', () => {
    const { status, stdout, stderr } = events(['-'], bytes.subarray(0, bytes.length - 300))
    expect(status).toBe(3)
    expect(stdout.split('\n')[0]).toBe('cpus=1')
    expect(stderr.replace(/\s+/g, ' ')).toMatch(/lastput events: damaged: .*standard input: offset \d+: expected /)
  })

  it('refuses what is no recording with exit 2', () => {
    const { status, stdout, stderr } = events([fileURLToPath(import.meta.url)])
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr.replace(/\s+/g, ' ')).toMatch(/open\.test\.ts: expected trace\.dat, .* found text that begins/)
    expect(events([join(folder, 'none')]).status).toBe(2)
  })

  it('reads its own text back', async () => {
    const json = events(['--json', '-'], new TextEncoder().encode(text.stdout))
    expect(json.status).toBe(3)
    expect(json.stdout.split('\n').filter(line => line.includes('"event"'))).toHaveLength(2)
  })
})

needs(built).test('standard input is spooled to a file that is gone afterwards', () => {
  const own = mkdtempSync(join(folder, 'tmp-'))
  const run = spawnSync(process.execPath, [dist('cli/main.js'), 'events', '-'], {
    input: readFileSync(file),
    // What Node keeps of compiled code stands there as well.
    env: { ...process.env, TMPDIR: own, NODE_DISABLE_COMPILE_CACHE: '1' },
  })
  expect(run.status).toBe(3)
  expect(readdirSync(own)).toEqual([])
})

// SPDX-License-Identifier: GPL-2.0-or-later
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openFile } from '../../src/node/open.ts'
import { BytesSource } from '../../src/trace/common/bytes.ts'
import type { Recording } from '../../src/trace/events.ts'
import { openRecording } from '../../src/trace/open.ts'
import { program, run } from '../../testkit/data.ts'
import { needs } from '../support/needs.ts'

const EXAMPLES = new URL('../../examples/', import.meta.url).pathname

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lastput-tar-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

async function valuesOf(recording: Recording): Promise<number[]> {
  const values: number[] = []
  for await (const batch of recording.batches()) values.push(...batch.val.subarray(0, batch.length))
  await recording.close()
  return values
}

/** Packs files or folders of the examples. */
function pack(name: string, options: readonly string[], from: string, ...members: string[]): string {
  const path = join(folder, name)
  run('tar', [...options, '-cf', path, '-C', join(EXAMPLES, from), ...members])
  return path
}

needs(program('tar'), program('zstd')).describe('the directory of perf record --kcore, packed', () => {
  test.each([
    ['by tar', 'w.tar', []],
    ['in the ustar format', 'ustar.tar', ['--format=ustar']],
    ['in the pax format', 'pax.tar', ['--format=pax']],
    ['by gzip', 'w.tar.gz', ['-z']],
    ['by zstd', 'w.tar.zst', ['--zstd']],
    ['under a long name', 'long.tar', [`--transform=s,^,${'long/'.repeat(40)},`]],
    ['under a long name of pax', 'longpax.tar', ['--format=pax', `--transform=s,^,${'long/'.repeat(40)},`]],
  ])('%s has the same changes', async (_, name, options) => {
    const path = pack(name, options, 'watch-leak-6.1', 'perf.data')
    const own = await valuesOf(await openFile(join(EXAMPLES, 'watch-leak-6.1/perf.data')))
    expect(await valuesOf(await openFile(path))).toEqual(own)
    expect(own).toHaveLength(359)
  })

  test('of all that lastput record wrote, its counts are taken, too', async () => {
    const path = join(folder, 'recorded.tar.gz')
    run('tar', ['-czf', path, '-C', join(EXAMPLES, '../test/ledger/recordings/watch'), 'dput-held'])
    const recording = await openFile(path)
    await valuesOf(recording)
    expect(recording.info.watched?.after.get(0x57af8)).toBe(1)
    expect(recording.info.watched?.assumed.size).toBe(0)
    // The directory alone has none.
    const alone = await openFile(pack('alone.tar', [], '../test/ledger/recordings/watch/dput-held', 'perf.data'))
    await alone.close()
    expect(alone.info.watched?.after.size).toBe(0)
  })

  test('a perf.data without the kernel beside it is read, too', async () => {
    const path = pack('plain.tar', [], 'leak-perf-6.12', 'perf.data', 'kallsyms')
    expect((await valuesOf(await openFile(path))).length).toBeGreaterThan(100)
  })

  test.each([
    ['none', 'ok-7.3', ['README.md']],
    ['2 of them', '.', ['leak-perf-6.12/perf.data', 'watch-leak-6.1/perf.data']],
  ])('an archive with %s is refused', async (found, from, members) => {
    await expect(openFile(pack('other.tar', [], from, ...members))).rejects.toThrow(
      `expected a tar archive with one perf.data, found ${found}: unpack it`,
    )
  })

  describe('damage', () => {
    const bytes = () => Uint8Array.from(readFileSync(pack('d.tar', ['--sort=name'], 'watch-leak-6.1', 'perf.data')))
    const open = (changed: Uint8Array) => openRecording(new BytesSource('d.tar', changed))

    test('of a header ends the list, and what came before is read', async () => {
      const changed = bytes()
      // The last entry before the end mark: its size is no number.
      const at = run('tar', ['-tRf', join(folder, 'd.tar')]).match(/block (\d+): perf.data\/kcore_dir\/modules/)
      changed.fill(0x39, Number(at![1]) * 512 + 124, Number(at![1]) * 512 + 134)
      const recording = await open(changed)
      expect(await valuesOf(recording)).toHaveLength(359)
      expect(recording.damage[0]).toMatchObject({ file: 'd.tar', offset: Number(at![1]) * 512 })
    })

    test('that cuts the samples off is told', async () => {
      await expect(open(bytes().subarray(0, 3000))).rejects.toThrow(/expected a tar archive with one perf.data/)
    })

    test('anywhere is no crash', async () => {
      const whole = bytes()
      for (let seed = 1; seed < 60; seed++) {
        const changed = whole.slice()
        for (let i = 0; i < 8; i++) changed[(seed * 7919 + i * 104_729) % 4096] = (seed * 31 + i * 17) & 0xff
        const result = await open(changed).catch((error: Error) => error)
        if (result instanceof Error) expect(result.name).toBe('TraceError')
        else await valuesOf(result)
      }
    })
  })
})

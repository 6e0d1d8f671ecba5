// SPDX-License-Identifier: GPL-2.0-or-later
// Older Node takes the name "latin1" for ISO 8859-1, newer Node and browsers for windows-1252.
import { expect, test } from 'vitest'
import { BytesSource } from '../../src/trace/common/bytes.ts'
import { openRecording } from '../../src/trace/open.ts'
import { decodeLatin1 } from '../../src/util/latin1.ts'

test('each byte is the character of that number', () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte)
  const text = decodeLatin1(bytes)
  expect([...bytes].map((_, i) => text.charCodeAt(i))).toEqual([...bytes])
  // A long text takes another way through the decoder.
  const long = decodeLatin1(new Uint8Array(100_000).fill(0x92))
  expect(long).toBe('\x92'.repeat(100_000))
})

test('a task whose name is not ASCII keeps it in quoted text', async () => {
  const line = (time: string) =>
    `>      zo\u00eb\u2026\u2013-7     [000] d..1.     ${time}: page_ref_mod: pfn=0x100000 flags=none count=1 mapcount=-1 mapping=0000000000000000 mt=1 val=1\n`
  const text = line('1.000001') + line('1.000002') + line('1.000003')
  const recording = await openRecording(new BytesSource('mail', new TextEncoder().encode(text)))
  for await (const _ of recording.batches());
  expect(recording.notes.join()).toContain('marks of quoting')
  expect(recording.tasks.name(7)).toBe('zo\u00eb\u2026\u2013')
})

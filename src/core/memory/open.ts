// SPDX-License-Identifier: GPL-2.0-or-later
/** Opens a memory dump of any supported format. */
import { decodeLatin1 } from '../../util/latin1.ts'
import { CoreError } from '../error.ts'
import { isElf, openElf } from './elf.ts'
import { FlattenedSource, isFlattened } from './flattened.ts'
import { isKdump, type KdumpCodecs, openKdump } from './kdump.ts'
import type { Dump } from './physical.ts'
import type { CoreSource } from './source.ts'

export interface DumpOptions {
  codecs?: KdumpCodecs
  /** Set if the source is /proc/kcore. */
  live?: boolean
}

/** First bytes (as Latin-1) of files that are often given by mistake, with what they are and what to do. */
const MAGICS: readonly [magic: string, what: string][] = [
  ['\x28\xb5\x2f\xfd', 'a zstd file: unpack it first (zstd -d --long=31)'],
  ['\x1f\x8b', 'a gzip file: unpack it first (gunzip)'],
  ['\xfd7zXZ', 'an xz file: unpack it first (unxz)'],
  ['\x17\x08\x44tracing', 'a recording: use lastput trace'],
  ['PERFILE2', 'a recording: use lastput trace'],
  ['# tracer', 'a recording: use lastput trace'],
]

/** True if a file that begins with these bytes is a dump, or claims to be one. */
export function isDump(start: Uint8Array): boolean {
  return isElf(start) || isKdump(start) || isFlattened(start)
}

/**
 * Opens a dump; its first bytes show the format.
 * @throws CoreError that says what the file is instead
 */
export function openDump(source: CoreSource, options: DumpOptions = {}): Dump {
  const start = source.read(0, 64)
  if (!isFlattened(start)) return openUnpacked(source, options, [])
  const damage: string[] = []
  const real = new FlattenedSource(source, damage)
  if (real.size === 0) throw new CoreError(source.name, source.size, 'expected pieces of a dump in the flattened file')
  const dump = openUnpacked(real, options, damage)
  return { ...dump, memory: Object.assign(dump.memory, { format: `${dump.memory.format}, flattened` }) }
}

function openUnpacked(source: CoreSource, options: DumpOptions, damage: string[]): Dump {
  const start = source.read(0, 64)
  if (isElf(start)) return openElf(source, damage, options.live)
  if (isKdump(start)) return openKdump(source, damage, options.codecs)
  const text = decodeLatin1(start)
  const known = MAGICS.find(([magic]) => text.startsWith(magic))
  throw new CoreError(
    source.name,
    0,
    `expected an ELF core or a kdump file, not ${known?.[1] ?? 'what this is'} (docs/dumps.md says how to take a dump)`,
  )
}

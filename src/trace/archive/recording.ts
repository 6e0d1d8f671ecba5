// SPDX-License-Identifier: GPL-2.0-or-later
/** Reads a tar archive of the directory that `perf record --kcore` writes. */
import { decodeLatin1 } from '../../util/latin1.ts'
import { readExactly } from '../common/bytes.ts'
import { type ByteSource, type Damage, type OpenOptions, type Recording, TraceError } from '../events.ts'
import { isPerfData } from '../perfdata/header.ts'
import { openPerf } from '../perfdata/recording.ts'
import { COUNTS_NAME, CountsFile, MAX_COUNTS, turnOf } from '../perfdata/watch/counts-file.ts'
import { type TarEntry, tarEntries } from './tar.ts'

/** Maximum size of kallsyms in bytes. That of a large kernel with all modules has 20 MB. */
const MAX_KALLSYMS = 1 << 28
/** Number of bytes that identify a perf.data. */
const START = 8

/** Opens the one perf.data in an archive. Rejects with a TraceError if there is none, or several. */
export async function openTar(source: ByteSource, options: OpenOptions = {}): Promise<Recording> {
  const damage: Damage[] = []
  const entries = await tarEntries(source, damage)
  const data: TarEntry[] = []
  for (const entry of entries)
    if (entry.size >= START && isPerfData(await source.read(entry.offset, START))) data.push(entry)
  const [only, ...more] = data
  if (!only || more.length > 0) {
    const found = more.length > 0 ? `${data.length} of them: unpack it, and name one` : 'none: unpack it'
    throw new TraceError(
      source.name,
      damage[0]?.offset ?? 0,
      `expected a tar archive with one perf.data, found ${found}`,
    )
  }
  const folder = only.name.slice(0, only.name.lastIndexOf('/') + 1)
  const beside = (name: string) => entries.find(entry => entry.name === `${folder}kcore_dir/${name}`)
  const [kcore, kallsyms] = [beside('kcore'), beside('kallsyms')]
  const counts = await countsBeside(source, entries, folder)
  const symbols = kallsyms && kallsyms.size <= MAX_KALLSYMS ? [await textOf(source, kallsyms)] : []
  const recording = await openPerf(partOf(source, only), {
    ...(kcore ? { kcore: partOf(source, kcore) } : {}),
    ...counts,
    ...options,
    kallsyms: [...(options.kallsyms ?? []), ...symbols],
  })
  ;(recording.damage as Damage[]).push(...damage)
  return recording
}

/** Returns the counts that `lastput record` read, if the archive contains its whole output. */
async function countsBeside(
  source: ByteSource,
  entries: readonly TarEntry[],
  folder: string,
): Promise<Pick<OpenOptions, 'startCounts' | 'endCounts'>> {
  const parent = folder.slice(0, folder.lastIndexOf('/', folder.length - 2) + 1)
  const entry = entries.find(({ name }) => name === `${parent}${COUNTS_NAME}`)
  if (!entry || folder === '' || entry.size > MAX_COUNTS) return {}
  const counts = new CountsFile(await textOf(source, entry, 'counts'))
  const turn = turnOf(folder)
  return { startCounts: counts.before(turn), endCounts: counts.after(turn) }
}

async function textOf(source: ByteSource, { offset, size }: TarEntry, what = 'symbols'): Promise<string> {
  return decodeLatin1(await readExactly(source, offset, size, what))
}

/** Returns a file in an archive as a source of its own. */
function partOf(source: ByteSource, { name, offset, size }: TarEntry): ByteSource {
  return {
    name: `${source.name}: ${name}`,
    size,
    read: (at, length) => source.read(offset + at, Math.max(0, Math.min(length, size - at))),
  }
}

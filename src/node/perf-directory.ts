// SPDX-License-Identifier: GPL-2.0-or-later
/** The directory that `perf record --kcore` writes instead of a file: `data`, and the kernel's code and symbols beside it. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { OpenOptions } from '../trace/events.ts'
import { FileSource } from './source.ts'

const DATA = 'data'
const CODE = 'kcore_dir'
/** Four lines for each turn. */
const MAX_COUNTS = 1 << 24

/** The counts that `lastput record` reads before each turn of watching, beside the directory of that turn. */
function startCountsOf(folder: string): Map<number, number> {
  const counts = new Map<number, number>()
  const path = join(folder, '../counts.txt')
  const turn = Number(/^perf-(\d+)\.data$/.exec(basename(folder))?.[1] ?? 1)
  if (!existsSync(path) || statSync(path).size > MAX_COUNTS) return counts
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const told = /^0x([0-9a-f]{1,13}) (-?\d{1,10}) before turn (\d+)$/.exec(line)
    if (told && Number(told[3]) === turn) counts.set(Number.parseInt(told[1]!, 16), Number(told[2]))
  }
  return counts
}

/** Returns the file with the samples in a directory of perf's; undefined where it is none. */
export function dataFileIn(folder: string): string | undefined {
  const path = join(folder, DATA)
  return existsSync(path) && statSync(path).isFile() ? path : undefined
}

/** What stands beside a file with samples, for its reader. The sources are closed by whoever closes the recording. */
export interface Companions {
  options: Pick<OpenOptions, 'kcore' | 'kallsyms' | 'startCounts'>
  close(): void
}

/** Opens the kernel's code and symbols beside a perf.data; undefined where there are none. */
export function companionsOf(path: string): Companions | undefined {
  const folder = join(dirname(path), CODE)
  if (basename(path) !== DATA || !existsSync(folder)) return undefined
  const [kcorePath, kallsyms] = [join(folder, 'kcore'), join(folder, 'kallsyms')]
  const kcore = existsSync(kcorePath) ? new FileSource(kcorePath) : undefined
  return {
    options: {
      ...(kcore ? { kcore } : {}),
      startCounts: startCountsOf(dirname(path)),
      kallsyms: existsSync(kallsyms) ? [readFileSync(kallsyms, 'utf8')] : [],
    },
    close: () => kcore?.close(),
  }
}

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Opens the directory that `perf record --kcore` writes in place of a file. It contains `data`, and the kernel's code and
 * symbols.
 */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { OpenOptions } from '../trace/events.ts'
import { COUNTS_NAME, CountsFile, MAX_COUNTS } from '../trace/perfdata/watch/counts-file.ts'
import { FileSource } from './source.ts'

const DATA = 'data'
const CODE = 'kcore_dir'

/**
 * Returns the counts that `lastput record` reads before and after each turn. They are in a file beside the directories of the
 * turns.
 */
function countsBeside(folder: string): CountsFile | undefined {
  const path = join(folder, '..', COUNTS_NAME)
  if (!existsSync(path) || statSync(path).size > MAX_COUNTS) return undefined
  return new CountsFile(readFileSync(path, 'utf8'))
}

/** Returns the file with the samples in a directory of perf; undefined if it is not one. */
export function dataFileIn(folder: string): string | undefined {
  const path = join(folder, DATA)
  return existsSync(path) && statSync(path).isFile() ? path : undefined
}

/** The files beside the one with samples that its reader uses. Whoever closes the recording must close the sources. */
export interface Companions {
  options: Pick<OpenOptions, 'kcore' | 'kallsyms'>
  counts: CountsFile | undefined
  close(): void
}

/** Opens the kernel's code and symbols beside a perf.data; undefined if there are none. */
export function companionsOf(path: string): Companions | undefined {
  const folder = join(dirname(path), CODE)
  if (basename(path) !== DATA || !existsSync(folder)) return undefined
  const [kcorePath, kallsyms] = [join(folder, 'kcore'), join(folder, 'kallsyms')]
  const kcore = existsSync(kcorePath) ? new FileSource(kcorePath) : undefined
  return {
    options: {
      ...(kcore ? { kcore } : {}),
      kallsyms: existsSync(kallsyms) ? [readFileSync(kallsyms, 'utf8')] : [],
    },
    counts: countsBeside(dirname(path)),
    close: () => kcore?.close(),
  }
}

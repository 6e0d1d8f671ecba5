// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * `npm run bench:core`: `lastput core` on every dump under ../shared/dumps, on one of 1 GB and one of 64 GB (sparse, of a kernel
 * that is made up), each a whole process; and how many device pages are read a second. `-- --rounds N` takes the best of N, `--
 * FILE...` other dumps, or some of these by name, `-- --json` prints JSON. `crash` lists the same pages in the same run where it
 * and a dump's vmlinux with debuginfo are there (LASTPUT_DEBUGINFO, see testkit/core/crash.ts): a whole process that lists all
 * pages 20 times, less one that only opens the dump (lastput lists them 20 times, too). drgn is no part of it, as it is in no Debian release; on 7.3-plants drgn
 * 0.3.0 listed 69,000 pages a second.
 */
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openKernel } from '../src/core/kernel/open.ts'
import { openDump } from '../src/core/memory/open.ts'
import { readDevicePages } from '../src/core/mm/device-pages.ts'
import { MemoryMap } from '../src/core/mm/memory-map.ts'
import { readPagemaps } from '../src/core/mm/pagemaps.ts'
import { visitAlike } from '../src/core/page-queries.ts'
import { FileCoreSource, kdumpCodecs } from '../src/node/core-source.ts'
import { PageList } from '../src/report/core-page-list.ts'
import { crash, crashArgs, crashPages } from '../testkit/core/crash.ts'
import { writeElf } from '../testkit/core/dump-writer.ts'
import { type RealDump, realDumps } from '../testkit/core/real-dumps.ts'
import { syntheticKernel } from '../testkit/core/synthetic-kernel.ts'
import { best, measure, type Run } from './process.ts'

interface Row {
  name: string
  /** The first screen, without and with the search of all memory. */
  first: Run
  searched: Run
  /** Every device page as a line of text. */
  listed: Run
  /** Device pages of the dump, and listed in a second of processor time, once the kernel is found. */
  pages: number
  pagesPerSecond: number
  crash: CrashRow | undefined
}

interface CrashRow {
  /** Opens the dump, and lists no page. */
  first: Run
  /** Processor time of a process that lists all pages once. */
  listSeconds: number
  /** Pages of the whole memory map, which it lists, and how many of them in a second of processor time. */
  pages: number
  pagesPerSecond: number
}

/** How often all pages are listed, by both, to be measured beside the start. */
const LISTS = 20

const json = process.argv.includes('--json')
const at = process.argv.indexOf('--rounds')
const rounds = at < 0 ? 3 : Number(process.argv[at + 1])
const files = process.argv.slice(2).filter((arg, i, all) => !arg.startsWith('--') && all[i - 1] !== '--rounds')
const cli = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'lastput-bench-core-'))

/** A dump of so many GB, all but the kernel's few frames of it zeros that take no room on the disk. */
function sparse(gigabytes: number): string {
  const path = join(folder, `${gigabytes}GB`)
  const { frames, vmcoreinfo } = syntheticKernel()
  const holes = [{ first: 1 << 20, end: (1 << 20) + gigabytes * 2 ** 18 }]
  const bytes = writeElf(frames, { vmcoreinfo, holes })
  writeFileSync(path, bytes)
  const file = openSync(path, 'r+')
  ftruncateSync(file, bytes.length + gigabytes * 2 ** 30)
  closeSync(file)
  return path
}

/** A whole process; what it found makes its exit code. */
function run(path: string, ...flags: string[]): Run {
  return best(Array.from({ length: rounds }, () => measure(process.execPath, [cli, 'core', path, ...flags], [0, 1, 3])))
}

async function listing(path: string): Promise<{ pages: number; pagesPerSecond: number }> {
  const source = new FileCoreSource(path)
  const kernel = openKernel(openDump(source, { codecs: await kdumpCodecs() }), path)
  const pagemaps = readPagemaps(kernel)
  const pages = pagemaps.flatMap(({ ranges }) => ranges).reduce((sum, { first, end }) => sum + end - first, 0)
  const start = process.cpuUsage()
  const map = new MemoryMap(kernel)
  const away = openSync('/dev/null', 'w')
  for (let times = 0; times < LISTS; times++) {
    const found = {
      kernel,
      map,
      ...readDevicePages(kernel, map, pagemaps),
      holders: undefined,
      findings: [],
      notes: [],
    }
    const list = new PageList(bytes => writeSync(away, bytes))
    visitAlike(found, (page, alike) => list.add(page, alike))
    list.end()
  }
  const { user, system } = process.cpuUsage(start)
  closeSync(away)
  source.close()
  return { pages, pagesPerSecond: (pages * LISTS) / ((user + system) / 1e6) }
}

/** crash, which lists every page there is; undefined where it cannot. */
function crashRow(dump: RealDump | undefined): CrashRow | undefined {
  const why = dump ? crash(dump) : undefined
  if (why !== undefined) console.warn(`${dump!.name}: no crash: no ${why}`)
  if (!dump || why !== undefined) return undefined
  const listed = crashPages(dump)
  if (typeof listed === 'string') {
    console.warn(`${dump.name}: ${listed}`)
    return undefined
  }
  const runs = (...commands: string[]) =>
    best(Array.from({ length: rounds }, () => measure('crash', crashArgs(dump, folder, commands))))
  const first = runs()
  // Opening takes much longer than one list, and never the same time.
  const many = runs(...Array.from({ length: LISTS }, () => 'kmem -p'))
  const seconds = ((many.cpuSeconds ?? 0) - (first.cpuSeconds ?? 0)) / LISTS
  const pages = listed.pages.size
  return {
    first,
    listSeconds: (first.cpuSeconds ?? 0) + seconds,
    pages,
    pagesPerSecond: pages / Math.max(0.01, seconds),
  }
}

try {
  const real = realDumps().filter(({ needs }) => needs === undefined)
  const named = files.map(file => real.find(({ name }) => name === file) ?? { name: file, path: () => file })
  const made = files.length > 0 ? [] : [1, 64].map(size => ({ name: `${size} GB, sparse`, path: () => sparse(size) }))
  const rows: Row[] = []
  for (const { name, path } of [...(files.length > 0 ? named : real), ...made]) {
    const file = path()
    const theirs = crashRow(real.find(dump => dump.name === name))
    const [first, searched, listed] = [run(file, '--no-search'), run(file), run(file, '--pages')]
    rows.push({ name, first, searched, listed, ...(await listing(file)), crash: theirs })
  }
  if (json) console.log(JSON.stringify(rows, null, 2))
  else {
    console.table(
      Object.fromEntries(
        rows.map(({ name, first, searched, listed, pages, pagesPerSecond, crash: theirs }) => [
          name,
          {
            'first screen, s': first.seconds.toFixed(2),
            'CPU, s': first.cpuSeconds?.toFixed(2),
            'with search, s': searched.seconds.toFixed(2),
            'CPU with search, s': searched.cpuSeconds?.toFixed(2),
            MB: searched.megabytes?.toFixed(0),
            'list, CPU s': listed.cpuSeconds?.toFixed(2),
            pages,
            'pages/CPU s': Math.round(pagesPerSecond),
            'crash: first, s': theirs?.first.seconds.toFixed(2),
            'crash: CPU, s': theirs?.first.cpuSeconds?.toFixed(2),
            'crash: list, CPU s': theirs?.listSeconds.toFixed(2),
            'crash: pages/CPU s': theirs && Math.round(theirs.pagesPerSecond),
          },
        ]),
      ),
    )
  }
} finally {
  rmSync(folder, { recursive: true })
}

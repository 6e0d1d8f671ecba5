// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * `npm run bench:core`: `lastput core` on every dump under ../shared/dumps, on one of 1 GB and one of 64 GB (sparse, of a kernel
 * that is made up), each a whole process; and how many device pages are read a second. `-- --rounds N` takes the best of N, `--
 * FILE...` other dumps, or some of these by name, `-- --json` prints JSON. `crash` lists the same pages in the same run where it
 * and a dump's vmlinux with debuginfo are there (LASTPUT_DEBUGINFO, see testkit/core/crash.ts): a whole process that lists all
 * pages 20 times, less one that only opens the dump. So does `drgn`, by a script that reads count, mapcount and flags of each
 * (testkit/core/drgn.ts). lastput lists them for a second, the first list included: struct pages to states, and those as lines
 * of text that are thrown away, as those of the others are.
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
import { drgn, drgnArgs, drgnPages } from '../testkit/core/drgn.ts'
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
  /** Others, by their names; those that cannot open the dump are left out. crash lists the whole memory map. */
  peers: Record<string, PeerRow>
}

interface PeerRow {
  /** Opens the dump, and lists no page. */
  first: Run
  /** Processor time of a process that lists all pages once. */
  listSeconds: number
  /** Pages that it lists, and how many of them in a second of processor time. */
  pages: number
  pagesPerSecond: number
}

/** How often the others list all pages, to be measured beside their start. */
const LISTS = 20
/** Processor time for which lastput does, the first list included. */
const LEAST_SECONDS = 1

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

/** A whole process; what it found makes its exit code, and what it printed is of no interest. */
function run(path: string, ...flags: string[]): Run {
  const { seconds, cpuSeconds, megabytes } = best(
    Array.from({ length: rounds }, () => measure(process.execPath, [cli, 'core', path, ...flags], [0, 1, 3])),
  )
  return { seconds, cpuSeconds, megabytes }
}

/** @returns the text of VMCOREINFO, too, where the dump has no note of it */
async function listing(
  path: string,
): Promise<{ pages: number; pagesPerSecond: number; vmcoreinfo: string | undefined }> {
  const source = new FileCoreSource(path)
  const dump = openDump(source, { codecs: await kdumpCodecs() })
  const kernel = openKernel(dump, path)
  const pagemaps = readPagemaps(kernel)
  const pages = pagemaps.flatMap(({ ranges }) => ranges).reduce((sum, { first, end }) => sum + end - first, 0)
  const map = new MemoryMap(kernel)
  const away = openSync('/dev/null', 'w')
  const start = process.cpuUsage()
  let seconds = 0
  let lists = 0
  for (; seconds < LEAST_SECONDS && pages > 0; lists++) {
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
    const { user, system } = process.cpuUsage(start)
    seconds = (user + system) / 1e6
  }
  closeSync(away)
  source.close()
  const vmcoreinfo = dump.vmcoreinfo === undefined ? kernel.info.text : undefined
  return { pages, pagesPerSecond: (pages * lists) / Math.max(seconds, 1e-6), vmcoreinfo }
}

function peerRows(dump: RealDump | undefined, vmcoreinfo: string | undefined): Record<string, PeerRow> {
  const rows: Record<string, PeerRow> = {}
  if (!dump) return rows
  const add = (name: string, missing: string | undefined, list: () => readonly unknown[] | string, args: ArgsOf) => {
    const pages = missing === undefined ? list() : `no ${missing}`
    if (typeof pages === 'string') console.warn(`${dump.name}: ${name}: ${pages}`)
    else rows[name] = peerRow(name, args, pages.length)
  }
  const kmem = () => {
    const listed = crashPages(dump)
    return typeof listed === 'string' ? listed : [...listed.pages]
  }
  add('crash', crash(dump), kmem, lists => crashArgs(dump, folder, Array(lists).fill('kmem -p')))
  const script = (lists: number) => drgnArgs(dump, folder, lists, vmcoreinfo)
  add('drgn', drgn(dump), () => drgnPages(dump, vmcoreinfo), script)
  return rows
}

/** Arguments with which a program lists all pages so many times. */
type ArgsOf = (lists: number) => string[]

function peerRow(program: string, argsOf: ArgsOf, pages: number): PeerRow {
  const runs = (lists: number) => best(Array.from({ length: rounds }, () => measure(program, argsOf(lists))))
  const first = runs(0)
  // Opening takes much longer than one list, and never the same time.
  const seconds = ((runs(LISTS).cpuSeconds ?? 0) - (first.cpuSeconds ?? 0)) / LISTS
  return {
    first,
    listSeconds: (first.cpuSeconds ?? 0) + seconds,
    pages,
    pagesPerSecond: pages / Math.max(0.001, seconds),
  }
}

try {
  const real = realDumps().filter(({ needs }) => needs === undefined)
  const named = files.map(file => real.find(({ name }) => name === file) ?? { name: file, path: () => file })
  const made = files.length > 0 ? [] : [1, 64].map(size => ({ name: `${size} GB, sparse`, path: () => sparse(size) }))
  const rows: Row[] = []
  for (const { name, path } of [...(files.length > 0 ? named : real), ...made]) {
    const file = path()
    const ours = await listing(file)
    const peers = peerRows(
      real.find(dump => dump.name === name),
      ours.vmcoreinfo,
    )
    const [first, searched, listed] = [run(file, '--no-search'), run(file), run(file, '--pages')]
    rows.push({ name, first, searched, listed, pages: ours.pages, pagesPerSecond: ours.pagesPerSecond, peers })
  }
  if (json) console.log(JSON.stringify(rows, null, 2))
  else {
    console.table(
      Object.fromEntries(
        rows.map(({ name, first, searched, listed, pages, pagesPerSecond, peers }) => [
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
            ...Object.fromEntries(
              Object.entries(peers).flatMap(([peer, theirs]) => [
                [`${peer}: CPU, s`, theirs.first.cpuSeconds?.toFixed(2)],
                [`${peer}: list, CPU s`, theirs.listSeconds.toFixed(2)],
                [`${peer}: pages/CPU s`, Math.round(theirs.pagesPerSecond)],
              ]),
            ),
          },
        ]),
      ),
    )
  }
} finally {
  rmSync(folder, { recursive: true })
}

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * `npm run bench:core`: time and memory of `lastput core` (whole processes) on every dump under ../shared/dumps and on two sparse
 * dumps of a synthetic kernel, of 1 GB and 64 GB; and the number of device pages that are read per second.
 *
 * `-- --rounds N` takes the best of N rounds, `-- FILE...` selects other dumps, or some of these by name, `-- --json` prints
 * JSON.
 *
 * If `crash` and a dump's vmlinux with debuginfo are installed (LASTPUT_DEBUGINFO, see testkit/core/crash.ts), crash lists the
 * same pages in the same run: a process that lists all pages 20 times, minus one that only opens the dump. `drgn` is measured in
 * the same way, by a script that reads count, mapcount and flags of each page (testkit/core/drgn.ts). lastput lists pages for one
 * second, the first list included: it converts struct pages to states, and these to lines of text. The text of all three is
 * discarded.
 */
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openKernel } from '../src/core/kernel/open.ts'
import { openDump } from '../src/core/memory/open.ts'
import { readDevicePages } from '../src/core/mm/device-pages.ts'
import { MemoryMap } from '../src/core/mm/memory-map.ts'
import { pagesOf, readPagemaps } from '../src/core/mm/pagemaps.ts'
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
  /** Runs of `lastput core`, without and with the search of all memory for holders. */
  first: Run
  searched: Run
  /** A run that lists every device page as a line of text. */
  listed: Run
  /** Number of device pages of the dump, and number listed per second of CPU time once the kernel is found. */
  pages: number
  pagesPerSecond: number
  /** Other programs by name, without those that cannot open the dump. crash lists the whole memory map. */
  peers: Record<string, PeerRow>
}

interface PeerRow {
  /** A run that opens the dump and lists no page. */
  first: Run
  /** CPU time in seconds of a process that opens the dump and lists all pages once. */
  listSeconds: number
  /** Number of pages that the program lists, and number per second of CPU time. */
  pages: number
  pagesPerSecond: number
}

/** Number of times that the other programs list all pages, so that listing is measurable in addition to their start. */
const LISTS = 20
/** Least CPU time in seconds for which lastput lists pages, the first list included. */
const LEAST_SECONDS = 1

const json = process.argv.includes('--json')
const at = process.argv.indexOf('--rounds')
const rounds = at < 0 ? 3 : Number(process.argv[at + 1])
const files = process.argv.slice(2).filter((arg, i, all) => !arg.startsWith('--') && all[i - 1] !== '--rounds')
const cli = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'lastput-bench-core-'))

/** Writes a sparse dump: all but the few frames of the kernel are holes. */
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

/** Measures one process. Its output is discarded, and any exit code that means success is accepted. */
function run(path: string, ...flags: string[]): Run {
  const { seconds, cpuSeconds, megabytes } = best(
    Array.from({ length: rounds }, () => measure(process.execPath, [cli, 'core', path, ...flags], [0, 1, 3])),
  )
  return { seconds, cpuSeconds, megabytes }
}

/** @returns also the text of VMCOREINFO, if the dump has no note with it */
async function listing(
  path: string,
): Promise<{ pages: number; pagesPerSecond: number; vmcoreinfo: string | undefined }> {
  const source = new FileCoreSource(path)
  const dump = openDump(source, { codecs: await kdumpCodecs() })
  const kernel = openKernel(dump, path)
  const pagemaps = readPagemaps(kernel)
  const pages = pagesOf(pagemaps)
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

/** Returns the arguments with which a program lists all pages `lists` times. */
type ArgsOf = (lists: number) => string[]

function peerRow(program: string, argsOf: ArgsOf, pages: number): PeerRow {
  const runs = (lists: number) => best(Array.from({ length: rounds }, () => measure(program, argsOf(lists))))
  const first = runs(0)
  // Opening takes much longer than one list and varies, so that the difference is divided by many lists.
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

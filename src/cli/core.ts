// SPDX-License-Identifier: GPL-2.0-or-later
/** `lastput core`: the device pages of a memory dump, or of the running kernel. */

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Command, Option } from 'commander'
import { CoreError } from '../core/error.ts'
import { type Examination, type ExamineOptions, examine } from '../core/examine.ts'
import { CORE_ACCUSATIONS } from '../core/finding.ts'
import type { KernelFiles } from '../core/kernel/kernel.ts'
import { systemMap, vmlinux } from '../core/kernel/symbol-files.ts'
import { openDump } from '../core/memory/open.ts'
import { pagemapAt } from '../core/mm/pagemaps.ts'
import { type PageFacts, type PagemapPiece, piecesOf, readPage, visitAlike, visitPages } from '../core/page-queries.ts'
import { FileCoreSource, kdumpCodecs } from '../node/core-source.ts'
import { coreText } from '../report/core.ts'
import { coreIncompleteness } from '../report/core-completeness.ts'
import { coreJson } from '../report/core-json.ts'
import { pageJson, pageText } from '../report/core-page.ts'
import { PageList } from '../report/core-page-list.ts'
import { pfnText, rangeText } from '../report/words.ts'
import { guarded, UsageError } from './errors.ts'
import { type Exit, exitFor } from './exit-codes.ts'
import { parseCount, parsePfn } from './recordings.ts'
import { outputFile } from './strict.ts'
import { writeReport } from './write-report.ts'

interface CoreFlags {
  live?: boolean
  json?: boolean
  html?: string
  pages?: boolean
  pfn?: number
  pagemap?: number
  anyPage?: number
  vmlinux?: string
  systemMap?: string
  search: boolean
  top: number
}

const KCORE = '/proc/kcore'

const NOTES = `
Findings that accuse:
  leaked            references that nothing in memory accounts for
  count-mismatch    more holders than the count says
  impossible-state  a count that no page can have under the kernel's protocol
  teardown-waits    a task waits in memunmap_pages() for pages still in use
Findings that only report:
  held              a page in use, and who holds it

It reads ELF cores and kdump files (zlib, lzo, snappy, zstd, flattened) of
x86_64 and aarch64, with the symbols and types that the kernel carries in its
own memory.

Examples:
  lastput core vmcore                    pagemaps, pages in use, faults
  lastput core vmcore --json             the same for a program
  lastput core vmcore --html pages.html  with a map of all pages, to look at
  lastput core vmcore --pfn 0xfcf801f    one page, and who holds it
  lastput core vmcore --pages            every device page, one a line
  lastput core --live                    the running kernel (root)

Exit codes: 0 nothing wrong was found, 1 findings that accuse, 2 wrong usage, or
a file that cannot be read, 3 nothing was found, but not all could be judged:
damage, memory that the dump lacks, no search. JSON has that as "complete" and
"reasons".`

export function coreCommand(): Command {
  return new Command('core')
    .description('list the device pages of a memory dump, their holders and wrong counts')
    .argument('[file]', 'vmcore: an ELF core or a kdump file')
    .option('--live', `the running kernel (${KCORE})`)
    .addOption(new Option('--json', 'JSON (schema lastput.core/1)').conflicts('top'))
    .option('--html <file>', 'write a report with a map of the pages: one file that any browser opens', outputFile)
    .addOption(
      new Option('--pages', 'list every device page; with --json one object a line').conflicts([
        'html',
        'pfn',
        'pagemap',
        'anyPage',
        'search',
        'top',
      ]),
    )
    .addOption(
      new Option('--pfn <pfn>', 'this page, and findings about it, only')
        .argParser(parsePfn)
        .conflicts(['pagemap', 'anyPage', 'html', 'top']),
    )
    .addOption(
      new Option('--pagemap <pfn>', 'findings of the pagemap that this page belongs to')
        .argParser(parsePfn)
        .conflicts('html'),
    )
    .addOption(
      new Option('--any-page <pfn>', 'a page that need not be a device page')
        .argParser(parsePfn)
        .conflicts(['pagemap', 'html', 'top']),
    )
    .option('--system-map <file>', 'symbols for a kernel that does not carry its own (System.map)')
    .option('--vmlinux <file>', 'symbols and types (its section .BTF) for such a kernel')
    .option('--no-search', 'do not search all of memory for pointers to pages in use')
    .option('--top <n>', 'findings and lines of held pages to show', parseCount, 20)
    .addHelpText('after', NOTES)
    .action((file: string | undefined, flags: CoreFlags) => guarded('core', () => core(file, flags)))
}

async function core(file: string | undefined, flags: CoreFlags): Promise<Exit> {
  if ((file === undefined) === (flags.live !== true)) {
    throw new UsageError('expected either the path of a dump or --live')
  }
  const path = file ?? KCORE
  const source = openSource(path, flags.live === true)
  try {
    const dump = openDump(source, { codecs: await kdumpCodecs(), live: flags.live === true })
    const options: ExamineOptions = {
      search: flags.search,
      holders: flags.pages !== true,
      progress: progress(),
      ...kernelFiles(flags),
    }
    const found = examine(dump, path, options)
    const selected = select(path, found, flags)
    if (flags.html !== undefined) await writeReport(flags.html, coreJson(path, selected), `lastput core ${path}`)
    return await print(path, selected, flags)
  } finally {
    source.close()
  }
}

/** The device pages of the running kernel. @throws CoreError where its memory cannot be read */
export async function examineLive(): Promise<Examination> {
  const source = openSource(KCORE, true)
  try {
    return examine(openDump(source, { codecs: await kdumpCodecs(), live: true }), KCORE, { progress: progress() })
  } finally {
    source.close()
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
  }
}

/** Reads the files given by `--vmlinux` and `--system-map`. What System.map says replaces what vmlinux says. */
function kernelFiles({ vmlinux: image, systemMap: map }: CoreFlags): KernelFiles {
  return {
    ...(image === undefined ? {} : vmlinux(image, new Uint8Array(readFileSync(image)))),
    ...(map === undefined ? {} : systemMap(map, readFileSync(map, 'latin1'))),
  }
}

function openSource(path: string, live: boolean): FileCoreSource {
  try {
    return new FileCoreSource(path, live)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (!live || (code !== 'EACCES' && code !== 'EPERM' && code !== 'ENOENT')) throw error
    const why =
      code === 'ENOENT'
        ? 'this kernel has no /proc/kcore (CONFIG_PROC_KCORE), or it is hidden in this container'
        : 'reading the memory of the running kernel needs root (CAP_SYS_RAWIO), and no kernel lockdown'
    throw new CoreError(path, undefined, `expected memory of the running kernel: ${why}`)
  }
}

/** Returns a callback that shows progress, if stderr is a terminal and the work takes more than a second. */
function progress(): NonNullable<ExamineOptions['progress']> {
  const started = Date.now()
  let shown = 0
  return (what, done, total) => {
    const now = Date.now()
    if (!process.stderr.isTTY || now - started < 1000 || now - shown < 200) return
    shown = now
    const part = total ? ` ${Math.floor((100 * done) / total)} %` : ` ${done}`
    process.stderr.write(`\r\x1b[Klastput core:${part} ${what}`)
  }
}

async function print(path: string, found: Examination, flags: CoreFlags): Promise<Exit> {
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
  const pfn = flags.pfn ?? flags.anyPage
  const isAccused = found.findings.some(({ kind }) => CORE_ACCUSATIONS.has(kind))
  if (flags.pages) await printPages(found, flags.json === true)
  else if (pfn !== undefined) {
    const page = readPage(found, pfn, flags.anyPage !== undefined)
    if (!page) throw new CoreError(path, undefined, `expected page ${pfnText(pfn)}, but it is not in the dump`)
    const json = { ...coreJson(path, found, { map: false }), page: pageJson(page) }
    write(flags.json ? [JSON.stringify(json, null, 2)] : pageText(page, found))
  } else write(flags.json ? [JSON.stringify(coreJson(path, found), null, 2)] : coreText(path, found, flags))
  return exitFor({
    found: isAccused && flags.pages !== true,
    complete: flags.pages ? found.kernel.dump.damage.length === 0 : coreIncompleteness(found).length === 0,
  })
}

/** Prints all device pages. Waits for the reader of the output between pieces, since they need not fit in memory together. */
async function printPages(found: Examination, json: boolean): Promise<void> {
  const list = new PageList(bytes => process.stdout.write(bytes.slice()))
  for (const piece of piecesOf(found)) {
    if (json) printJsonLines(found, piece)
    else visitAlike(found, (page, pages) => list.add(page, pages), [piece])
    if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain')
  }
  if (!json) list.end()
}

function printJsonLines(found: Examination, piece: PagemapPiece): void {
  let lines: string[] = []
  const add = (page: PageFacts) => {
    lines.push(JSON.stringify(pageJson(page)))
    if (lines.length < 4096) return
    write(lines)
    lines = []
  }
  visitPages(found, add, [piece])
  write(lines)
}

function write(lines: readonly string[]): void {
  if (lines.length > 0) process.stdout.write(`${lines.join('\n')}\n`)
}

/** Returns the examination with only the findings asked for. @throws UsageError for a page that is in no pagemap */
function select(path: string, found: Examination, { pfn, pagemap, anyPage }: CoreFlags): Examination {
  const asked = pfn ?? pagemap
  if (asked !== undefined && pagemapAt(found.pagemaps, asked) < 0)
    throw new UsageError(`${path}: ${noPagemap(found, asked)}`)
  const page = pfn ?? anyPage
  if (page === undefined && pagemap === undefined) return found
  const wanted = pagemap === undefined ? undefined : pagemapAt(found.pagemaps, pagemap)
  const findings = found.findings.filter(
    finding =>
      (page === undefined || finding.pages.some(({ first, end }) => page >= first && page < end)) &&
      (wanted === undefined || finding.pagemap === wanted),
  )
  // The output must say that it is filtered: otherwise a reader concludes that nothing was found on other pages.
  const note = `only findings of ${page === undefined ? 'the pagemap of ' : ''}page ${pfnText(page ?? pagemap!)} are listed`
  return { ...found, findings, notes: [...found.notes, note] }
}

function noPagemap({ pagemaps }: Examination, pfn: number): string {
  const ranges = pagemaps.flatMap(map => map.ranges.map(({ first, end }) => rangeText({ first, last: end - 1 })))
  const known = ranges.length === 0 ? 'there are none' : `there are ${ranges.slice(0, 4).join(', ')}`
  const more = ranges.length > 4 ? ` and ${ranges.length - 4} more` : ''
  return `${pfnText(pfn)} is no device page: ${known}${more} (--any-page shows other pages)`
}

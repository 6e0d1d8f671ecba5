// SPDX-License-Identifier: GPL-2.0-or-later
/** `lastput record`: records the running kernel by the best means that it offers, and leaves the machine as it was. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { Command, InvalidArgumentError, Option } from 'commander'
import { MAX_RANGES, type PfnRange, type RecordSettings, recordScript } from '../record/script.ts'
import { complain } from './complain.ts'
import { guarded, UsageError } from './errors.ts'
import { Exit } from './exit-codes.ts'
import { pagesOption, parseCount, parsePages, parsePfn } from './recordings.ts'
import { outputFile } from './strict.ts'

interface RecordFlags {
  pfn?: PfnRange[]
  watch?: PfnRange[]
  pagemap?: number
  driver?: string
  held?: boolean
  means: RecordSettings['means']
  alloc?: string
  free?: string
  by: RecordSettings['by']
  output: string
  seconds?: number
  size?: number
  buffer: number
  turn: number
  vmemmap?: string
  sample?: number
  dryRun?: boolean
  check?: boolean
  clean?: boolean
}

const NOTES = `
Choose pages by one of --pfn, --watch, --pagemap, --driver, --held; the default
is all pages. --means chooses how to record; the default is the best that the
kernel offers:
  counts  page_ref events (CONFIG_DEBUG_PAGE_REF): who holds what
  probes  kprobes where pages are handed out and freed: which never came back
  watch   perf and the processor's debug registers: who changes the counts of
          four pages, on any x86-64 kernel

It makes a trace instance and probes of its own, all named lastput, and removes
them however it ends: Ctrl-C, a signal, a full disk, a recorder that dies. If a
SIGKILL prevents that, --clean removes them. No other tracing is touched.

Examples:
  lastput record --check                        what does this kernel offer?
  lastput record --driver nouveau -- ./test.sh  while a command runs
  lastput record --watch 0x7fea1 --seconds 60   one page's count
  lastput record --held                         pages that core --live saw held
  lastput record --driver nouveau --dry-run > record.sh
                            a script for a machine without Node: sh record.sh

Exit codes: 0 recorded, 1 the recorder ended too early, or something could not
be removed, 2 wrong usage, or nothing can be recorded on this kernel.`

export function recordCommand(): Command {
  return new Command('record')
    .description('record the running kernel for lastput trace (root)')
    .argument('[command...]', 'record while this command runs (after --)')
    .addOption(pagesOption('these pages, as 0x10,0x20-0x2f; repeatable'))
    .option('--watch <pages>', 'watch these pages by debug registers, four at a time in turns', watchPages)
    .option('--pagemap <pfn>', 'the range of /proc/iomem that has this page', parsePfn)
    .option('--driver <name>', 'the ranges of /proc/iomem with this in their name', plainName)
    .option('--held', 'the device pages that are in use now, as lastput core --live sees them')
    .addOption(
      new Option('--means <how>', 'what to record').choices(['auto', 'counts', 'probes', 'watch']).default('auto'),
    )
    .option('--alloc <function>', 'the function that allocates pages, if not zone_device_page_init()', functionName)
    .option('--free <function>', "the function that frees pages, if not the core's", functionName)
    .addOption(
      new Option('--by <program>', 'what writes events').choices(['auto', 'trace-cmd', 'tracefs']).default('auto'),
    )
    .option('-o, --output <folder>', 'folder to create', outputFile, 'lastput-record')
    .option('--seconds <n>', 'stop after this time', parsePositive)
    .option('--size <MiB>', 'stop at this size of the recording', parsePositive)
    .option('--buffer <KiB>', 'buffer size per CPU', parsePositive, 8192)
    .option('--turn <seconds>', 'how long a turn of four pages lasts', parsePositive, 10)
    .option('--sample <n>', 'watch this many of the pages, spread over their range', parsePositive)
    .option('--vmemmap <address>', 'address of the array of struct pages, if the kernel does not tell', parseAddress)
    .addOption(new Option('--dry-run', 'print the script that would run').conflicts(['check', 'clean']))
    .addOption(new Option('--check', 'say what this kernel offers, and what would be done').conflicts('clean'))
    .option('--clean', 'remove what a killed run left behind')
    .addHelpText('after', NOTES)
    .action((command: string[], flags: RecordFlags) => guarded('record', () => record(command, flags)))
}

async function record(command: string[], flags: RecordFlags): Promise<Exit> {
  if (command.length > 0 && (flags.check || flags.clean || flags.dryRun))
    throw new UsageError('--check, --clean and --dry-run record nothing, so they take no command')
  const script = recordScript(
    await settingsOf(flags),
    readFileSync(new URL('../record/record.sh', import.meta.url), 'utf8'),
  )
  if (flags.dryRun) {
    process.stdout.write(script)
    return Exit.CLEAN
  }
  const words = flags.clean ? ['--clean'] : flags.check ? ['--check'] : command
  return await runScript(script, words)
}

/** @throws UsageError if pages are chosen in two ways, if `--sample` has none to choose from, or if there are too many ranges */
export async function settingsOf(flags: RecordFlags): Promise<RecordSettings> {
  const chosen = [flags.pfn, flags.watch, flags.pagemap, flags.driver, flags.held].filter(each => each !== undefined)
  if (chosen.length > 1)
    throw new UsageError('--pfn, --watch, --pagemap, --driver and --held each choose the pages: give only one')
  if (flags.watch && flags.means !== 'auto')
    throw new UsageError('--watch is --means watch for these pages: give only one')
  if (flags.sample !== undefined && chosen.length === 0)
    throw new UsageError('--sample chooses among pages: name them by --pfn, --watch, --pagemap, --driver or --held')
  if (flags.sample !== undefined && flags.means !== 'auto' && flags.means !== 'watch')
    throw new UsageError(`--sample applies to watched pages only: --means ${flags.means} records all of them`)
  const pages = flags.held ? await heldPages() : (flags.pfn ?? flags.watch ?? [])
  if (pages.length > MAX_RANGES)
    throw new UsageError(
      `${pages.length} ranges of pages are more than the ${MAX_RANGES} that the kernel's filter takes: choose fewer`,
    )
  return {
    pages,
    resource: flags.driver,
    pagemap: flags.pagemap,
    means: flags.watch || flags.sample !== undefined ? 'watch' : flags.means,
    alloc: flags.alloc,
    free: flags.free,
    by: flags.by,
    out: flags.output,
    seconds: flags.seconds,
    kib: flags.size === undefined ? undefined : flags.size * 1024,
    buffer: flags.buffer,
    turn: flags.turn,
    vmemmap: flags.vmemmap,
    sample: flags.sample,
  }
}

/** Ranges of device pages that are in use, read from the memory of the running kernel. */
async function heldPages(): Promise<PfnRange[]> {
  const { examineLive } = await import('./core.ts')
  const { findings } = await examineLive()
  const pages = findings.flatMap(finding => finding.pages.map(({ first, end }) => ({ first, last: end - 1 })))
  if (pages.length === 0) throw new UsageError('--held: no device page is in use')
  const ranges: PfnRange[] = []
  for (const range of pages.sort((a, b) => a.first - b.first)) {
    const before = ranges.at(-1)
    if (before && range.first <= before.last + 1) before.last = Math.max(before.last, range.last)
    else ranges.push({ ...range })
  }
  return ranges
}

/** Runs the script to its end. A signal to this process makes the script stop and remove what it created. */
function runScript(script: string, words: string[]): Promise<Exit> {
  const env = { ...process.env, LASTPUT_PARENT: String(process.pid) }
  const child = spawn('sh', ['-c', script, 'lastput-record', ...words], { stdio: 'inherit', env })
  const forward = (signal: NodeJS.Signals) => child.kill(signal)
  const signals: NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']
  for (const signal of signals) process.on(signal, forward)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      for (const each of signals) process.off(each, forward)
      if (signal)
        complain('lastput record', `the script was ended by ${signal}: lastput record --clean removes what it left`)
      resolve(code === 0 || code === 2 ? code : Exit.FOUND)
    })
  })
}

function watchPages(text: string): PfnRange[] {
  return parsePages(text)
}

function plainName(text: string): string {
  if (/[\n\r*?[\]\\]/.test(text)) throw new InvalidArgumentError('expected a name, or a part of one')
  return text
}

/** Parses the name of a kernel function, or `module:function`. Its first argument has to be the page. */
function functionName(text: string): string {
  if (!/^(\w[\w-]*:)?[\w.]+$/.test(text)) throw new InvalidArgumentError('expected a function, or module:function')
  return text
}

function parsePositive(text: string): number {
  const n = parseCount(text)
  if (n === 0) throw new InvalidArgumentError('expected a number above 0')
  return n
}

function parseAddress(text: string): string {
  if (!/^0x[0-9a-f]{16}$/i.test(text)) throw new InvalidArgumentError('expected an address, such as 0xffffea0000000000')
  return text.toLowerCase()
}

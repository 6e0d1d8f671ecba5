// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Imitates tracefs and /proc by folders, with programs that create and remove trace instances as the kernel does. Tests of the
 * recording script use it, and so need neither root nor a kernel.
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface FakeKernel {
  /** True if the kernel has page_ref events. */
  counts?: boolean
  kprobes?: boolean
  functions?: readonly string[]
  iomem?: string
  /** Programs on the machine, as shell scripts by name. */
  programs?: Readonly<Record<string, string>>
}

export const FUNCTIONS = [
  'zone_device_page_init',
  'free_zone_device_folio',
  'memunmap_pages',
  'ksys_write',
  'vmemmap_base',
]
/** Standard programs and shells. Other programs of the real machine are hidden. */
const UNIX = 'sh bash sed grep sort cut du date sleep tr head tail wc mv rm id touch true mkfifo'.split(' ')

export const VMEMMAP = '0xffffea0000000000'

/** Files of a fake trace instance, and the kernel's output for the probe that reports an address. */
const INSTANCE = `
for dir in lastput lastput/lastput_where lastput/lastput_alloc lastput/lastput_free page_ref error_report; do /bin/mkdir -p "$1/events/$dir"; done
[ -d "$FAKE_TRACEFS/events/page_ref" ] || /bin/rmdir "$1/events/page_ref"
/bin/mkdir -p "$1/options"
echo '          <...>-1 [000] ..... 1.000000: lastput_where: (ksys_write+0x4/0xe0) base=${VMEMMAP} c0x10=1' > "$1/trace"
echo ' sh-1 [000] ..... 1.000000: lastput_alloc: (zone_device_page_init+0x4/0x160) page=${VMEMMAP} vmemmap=${VMEMMAP}' > "$1/trace_pipe"
`

export class FakeTracefs {
  readonly folder = mkdtempSync(join(tmpdir(), 'lastput-tracefs-'))
  readonly tracefs = join(this.folder, 'tracing')
  readonly #bin = join(this.folder, 'bin')

  constructor({ counts, kprobes = true, functions = FUNCTIONS, iomem = '', programs = {} }: FakeKernel = {}) {
    for (const name of ['tracing/instances', 'tracing/events', 'proc', 'bin'])
      mkdirSync(join(this.folder, name), { recursive: true })
    if (counts) mkdirSync(join(this.tracefs, 'events/page_ref'))
    writeFileSync(join(this.tracefs, 'trace_pipe'), '')
    if (kprobes) writeFileSync(join(this.tracefs, 'kprobe_events'), '')
    const proc = (name: string, text: string) => writeFileSync(join(this.folder, 'proc', name), text)
    proc(
      'kallsyms',
      [...functions.map(name => `ffffffff81000000 T ${name}`), 'ffffffffc0000000 t drv_take\t[drv]', ''].join('\n'),
    )
    proc('modules', 'drv 16384 0 - Live 0xffffffffc0000000\n')
    proc('iomem', iomem)
    for (const name of UNIX) {
      const real = ['/bin', '/usr/bin'].map(dir => join(dir, name)).find(path => existsSync(path))
      if (real) symlinkSync(real, join(this.#bin, name))
    }
    this.#program(
      'mkdir',
      `/bin/mkdir "$@" || exit\nfor last; do :; done\ncase $last in */instances/*)\nset -- "$last"${INSTANCE};; esac`,
    )
    this.#program('rmdir', 'for dir; do [ -d "$dir" ] || exit 1; /bin/rm -r "$dir"; done')
    this.#program('uname', 'echo x86_64')
    // Reading trace_pipe does not end, since it waits for further events.
    this.#program(
      'cat',
      `/bin/cat "$@" || exit\ncase $1 in */trace_pipe) sleep 1; while [ "$(/bin/cat "\${1%/*}/tracing_on")" = 1 ]; do sleep 1; done ;; esac`,
    )
    for (const [name, text] of Object.entries(programs)) this.#program(name, text)
  }

  #program(name: string, text: string): void {
    const file = join(this.#bin, name)
    writeFileSync(file, text.startsWith('#!') ? text : `#!/bin/sh\n${text}\n`)
    chmodSync(file, 0o755)
  }

  /** The environment that makes the script use the fake folders and programs, and the standard programs of the machine. */
  get env(): NodeJS.ProcessEnv {
    return {
      PATH: this.#bin,
      LASTPUT_TRACEFS: this.tracefs,
      LASTPUT_PROC: join(this.folder, 'proc'),
      FAKE_TRACEFS: this.tracefs,
    }
  }

  /** The lines that were written to kprobe_events, in order. */
  get written(): string[] {
    const file = join(this.tracefs, 'kprobe_events')
    if (!existsSync(file)) return []
    return readFileSync(file, 'utf8')
      .split('\n')
      .filter(line => line !== '')
  }

  /** The probes that were created and not removed. */
  get probes(): string[] {
    const made = new Set<string>()
    for (const line of this.written) {
      const name = /lastput\/(\w+)/.exec(line)![1]!
      if (line.startsWith('-:')) made.delete(name)
      else made.add(name)
    }
    return [...made]
  }

  get instances(): string[] {
    return readdirSync(join(this.tracefs, 'instances'))
  }

  /** Content of a file of the instance; undefined if it does not exist. */
  instance(file: string): string | undefined {
    const path = join(this.tracefs, 'instances/lastput', file)
    return existsSync(path) ? readFileSync(path, 'utf8') : undefined
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

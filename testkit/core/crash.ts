// SPDX-License-Identifier: GPL-2.0-or-later
/** Reads pages of a dump with the program `crash`, which needs the vmlinux with debuginfo. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Missing, program } from '../data.ts'
import type { RealDump } from './real-dumps.ts'

/** Folder of vmlinux with debuginfo; by default that of Debian's packages linux-image-VERSION-dbg. */
const FOLDER = process.env.LASTPUT_DEBUGINFO ?? '/usr/lib/debug/boot'

export function vmlinuxOf(dump: RealDump): string {
  return join(FOLDER, `vmlinux-${dump.truth.kernel_release}`)
}

/** Test requirement: a program, and the dump's vmlinux, which it needs. */
export function withVmlinux(name: string, dump: RealDump): Missing {
  const missing = program(name)
  if (missing !== undefined) return missing
  const path = vmlinuxOf(dump)
  return existsSync(path) ? undefined : `${path} (package linux-image-*-dbg; LASTPUT_DEBUGINFO names another folder)`
}

/** Test requirement: `crash` and the dump's vmlinux. */
export const crash = (dump: RealDump): Missing => withVmlinux('crash', dump)

export interface CrashPage {
  flags: bigint
  count: number
  mapcount: number
}

/** Returns the arguments with which crash runs these commands and exits. The commands are written to a file in `folder`. */
export function crashArgs(dump: RealDump, folder: string, commands: readonly string[]): string[] {
  const file = join(folder, 'crash-commands')
  writeFileSync(file, [...commands, 'quit', ''].join('\n'))
  return ['-s', '-i', file, vmlinuxOf(dump), dump.path()]
}

/** Runs crash. @returns its output, or why it could not open the dump */
function run(dump: RealDump, commands: readonly string[]): { text: string } | { failure: string } {
  const folder = mkdtempSync(join(tmpdir(), 'lastput-crash-'))
  try {
    const args = crashArgs(dump, folder, commands)
    const { status, stdout, stderr } = spawnSync('crash', args, { encoding: 'utf8', maxBuffer: 1 << 30 })
    if (status === 0) return { text: stdout }
    const said = `${stdout}\n${stderr}`.split('\n').find(line => line.startsWith('crash:'))
    return { failure: `crash cannot open it: ${said ?? `exit ${status}`}` }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Returns all pages of the memory map by address of their struct page, and the names of flags; or why crash failed. */
export function crashPages(dump: RealDump): { pages: Map<bigint, CrashPage>; names: Map<bigint, string> } | string {
  const answer = run(dump, ['kmem -m flags,_refcount,_mapcount', 'kmem -p'])
  if ('failure' in answer) return answer.failure
  const pages = new Map<bigint, CrashPage>()
  const names = new Map<bigint, string>()
  for (const line of answer.text.split('\n')) {
    const members = /^([0-9a-f]{16}) +([0-9a-f]{16}) +([0-9a-f]{8}) *(-?\d+)\s*$/.exec(line)
    const [address, flags, count] = (members ?? []).slice(1).map(text => BigInt(`0x${text.replace('-', '')}`))
    if (members) pages.set(address!, { flags: flags!, count: Number(count) | 0, mapcount: Number(members[4]) })
    const page = /^([0-9a-f]{16}) +[0-9a-f]+ +[0-9a-f]+ +[0-9a-f]+ +-?\d+ [0-9a-f]+ ?(\S*)\s*$/.exec(line)
    if (page) names.set(BigInt(`0x${page[1]}`), page[2]!)
  }
  return { pages, names }
}

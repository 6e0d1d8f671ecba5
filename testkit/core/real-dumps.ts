// SPDX-License-Identifier: GPL-2.0-or-later
/** Memory dumps of real kernels in the shared data, with the state that the guest itself reported. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { type Missing, program, run, SHARED } from '../data.ts'

const folder = join(SHARED, 'dumps')

/** The part of truth.json that tests use. */
export interface Truth {
  dump: string
  kernel_release: string
  pagemaps: {
    pgmap: string
    type: number
    type_name: string
    ranges: { first_pfn: string; pages: number }[]
    owner: string
    ops: string
    percpu_ref: { mode: string; references: number }
  }[]
  pages_of_interest: {
    pfn: string
    refcount: number
    holders: { kind: string; pid?: number; vaddr?: string; cache?: string; object?: string; offset?: number }[]
  }[]
  planted: { kind: string; text: string; pfns: string[]; expected: string }[]
  zone_device_pages_total: number
}

export interface RealDump {
  name: string
  truth: Truth
  /** Path of the unpacked dump. */
  path(): string
  /** Every ZONE_DEVICE page, as read in the guest. */
  pages(): TruePage[]
  /** Symbols of vmlinux: address, type and name. */
  kallsyms(): [string, string, string][]
  /** The beginning of the running kernel's /proc/kcore. */
  kcoreHead(): Uint8Array
  needs: Missing
}

export interface TruePage {
  pfn: number
  count: number
  mapcount: number
  flags: bigint
  pgmap: string
  head: number
}

/** Lists the pfns of ranges. */
export function frames(ranges: readonly { first: number; end: number }[]): number[] {
  return ranges.flatMap(({ first, end }) => Array.from({ length: end - first }, (_, i) => first + i))
}

/** All dumps that are present. */
export function realDumps(): RealDump[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter(name => existsSync(join(folder, name, 'truth.json')))
    .map(name => realDump(name))
}

/** Test requirement: dumps of real kernels. */
export function dumps(): Missing {
  return realDumps().length > 0 ? undefined : `memory dumps in ${folder} (LASTPUT_SHARED names another ../shared)`
}

function realDump(name: string): RealDump {
  const truth = JSON.parse(readFileSync(join(folder, name, 'truth.json'), 'utf8')) as Truth
  const packed = readdirSync(join(folder, name)).find(file => file === truth.dump || file.startsWith('vmcore'))!
  return {
    name,
    truth,
    needs: packed.endsWith('.zst') ? program('zstd') : undefined,
    path: () => unpacked(join(folder, name, packed), name),
    pages: () => truePages(join(folder, name, 'zonedevice.txt.gz')),
    kcoreHead: () => new Uint8Array(gunzipSync(readFileSync(join(folder, name, 'kcore.head.gz')))),
    kallsyms: () => symbols(join(folder, name, 'kallsyms.txt.gz')),
  }
}

/** Unpacks a dump into the folder for temporary files, unless that has been done before. */
function unpacked(path: string, name: string): string {
  if (!path.endsWith('.zst')) return path
  const target = join(tmpdir(), 'lastput-dumps', `${name}-${statSync(path).size}.elf`)
  if (existsSync(target)) return target
  mkdirSync(join(tmpdir(), 'lastput-dumps'), { recursive: true })
  const part = `${target}.${process.pid}`
  run('zstd', ['-dqf', '--long=31', path, '-o', part])
  renameSync(part, target)
  return target
}

function symbols(path: string): [string, string, string][] {
  const lines = gunzipSync(readFileSync(path)).toString('latin1').split('\n')
  return lines.flatMap(line => {
    const [address, type, name, module] = line.split(/\s+/)
    return name === undefined || module ? [] : [[address!, type!, name] as [string, string, string]]
  })
}

function truePages(path: string): TruePage[] {
  const lines = gunzipSync(readFileSync(path)).toString('latin1').split('\n')
  const pages: TruePage[] = []
  for (const line of lines) {
    if (line === '' || line.startsWith('#')) continue
    const [pfn, count, mapcount, flags, pgmap, , , , , , head] = line.split(' ')
    pages.push({
      pfn: Number(pfn),
      count: Number(count),
      mapcount: Number(mapcount),
      flags: BigInt(flags!),
      pgmap: `0x${pgmap!.replace(/^0+(?=.)/, '')}`,
      head: Number(head),
    })
  }
  return pages
}

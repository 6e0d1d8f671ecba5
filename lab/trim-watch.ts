// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Trims a recording of watched counts to what reading it needs: of the kernel's code the pages around sampled addresses, and of
 * the symbols those on the stacks. The samples are unchanged.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openFile } from '../src/node/open.ts'
import { FileSource } from '../src/node/source.ts'
import { type KernelText, readKernelText } from '../src/trace/perfdata/watch/kernel-text.ts'
import { kcoreFile } from '../testkit/writers/kcore.ts'

const PAGE = 4096n

/** Returns the files of the trimmed recording, by path below perf.data. */
export async function trimWatch(folder: string): Promise<Map<string, Uint8Array>> {
  const { addresses, names } = await shown(folder)
  const kcore = new FileSource(join(folder, 'kcore_dir/kcore'))
  const text = await readKernelText(kcore)
  kcore.close()
  const kallsyms = readFileSync(join(folder, 'kcore_dir/kallsyms'), 'utf8')
  const lines = kallsyms.split('\n').filter(line => names.has(line.split(/[ \t]/)[2] ?? ''))
  const files = new Map<string, Uint8Array>([
    ['data', readFileSync(join(folder, 'data'))],
    ['kcore_dir/kcore', kcoreFile(text.machine, pagesOf(text, addresses))],
    ['kcore_dir/kallsyms', new TextEncoder().encode(`${lines.join('\n')}\n`)],
  ])
  const modules = join(folder, 'kcore_dir/modules')
  if (existsSync(modules)) files.set('kcore_dir/modules', readFileSync(modules))
  return files
}

/** Collects the addresses after the writing instructions and the starts of their functions, and the functions on all stacks. */
async function shown(folder: string): Promise<{ addresses: Set<bigint>; names: Set<string> }> {
  const recording = await openFile(folder)
  const addresses = new Set<bigint>()
  const names = new Set<string>()
  for await (const { length, stack } of recording.batches()) {
    for (const id of new Set(stack.subarray(0, length))) {
      const frames = [...recording.stacks.frames(id)].map(frame => recording.stacks.frame(frame))
      for (const { name } of frames) names.add(name)
      const first = frames[0]
      if (!first) continue
      addresses.add(first.address)
      addresses.add(first.address - BigInt(first.offset ?? 0))
    }
  }
  await recording.close()
  return { addresses, names }
}

/** Returns the pages of code that contain the addresses. */
function pagesOf(text: KernelText, addresses: ReadonlySet<bigint>): { start: bigint; bytes: Uint8Array }[] {
  const starts = [...new Set([...addresses].map(address => (address / PAGE) * PAGE))]
  return starts.sort((a, b) => (a < b ? -1 : 1)).map(start => ({ start, bytes: text.read(start, Number(PAGE)) }))
}

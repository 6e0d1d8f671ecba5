// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Checks the output that lab/live/run.sh brought back from a guest against what the guest's processes know of their own pages:
 * `npm run tools && node .tools/lab/live-check.js FOLDER`. Exits with 1 if something differs.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

interface Holder {
  kind: string
  words: string
  pid?: number
}

interface Core {
  complete: boolean
  source: { format: string; kernel: string }
  pagemaps: { type: string; driver: string | null; ranges: { firstPfn: string; lastPfn: string }[] }[]
  findings: { kind: string; count: number; pages: { firstPfn: string; lastPfn: string }[]; holders: Holder[] }[]
}

const folder = process.argv[2] ?? '.'
const read = (file: string) => readFileSync(join(folder, file), 'utf8')
const core = JSON.parse(read('core.json')) as Core

/** Parses what a process of hold.c printed: its pid, and the pfns of its pages in a pipe and of its registered pages. */
function held(file: string): { pid: number; piped: number[]; registered: number[] } {
  const [head, ...lines] = read(file).split('\n')
  const [, pid, piped, registered] = /^pid (\d+) piped (\d+) registered (\d+)$/.exec(head!)!.map(Number)
  const frames = lines.filter(line => line.startsWith('0x')).map(line => Number(line.split(' ')[1]))
  assert.ok(frames.length > 0 && frames.every(pfn => pfn > 0), `${file}: frames`)
  return { pid: pid!, piped: frames.slice(0, piped), registered: frames.slice(16, 16 + registered!) }
}

/** Returns the holders of a page that findings attribute to one process. */
function holdersOf(pfn: number, pid: number): Holder[] {
  const found = core.findings.filter(({ pages }) =>
    pages.some(({ firstPfn, lastPfn }) => pfn >= Number(firstPfn) && pfn <= Number(lastPfn)),
  )
  return found.flatMap(({ holders }) => holders.filter(holder => holder.pid === pid))
}

const release = read('release.txt').trim()
assert.equal(core.source.kernel, release)
assert.equal(core.source.format, 'live')
const types = core.pagemaps.map(({ type }) => type)
const pages = core.pagemaps.flatMap(({ ranges }) => ranges).map(r => Number(r.lastPfn) - Number(r.firstPfn) + 1)
console.log(`${release}: ${types.join(', ')}: ${pages.join(', ')} pages, complete: ${core.complete}`)
assert.deepEqual(
  core.findings.filter(({ kind }) => kind !== 'held'),
  [],
  'nothing is wrong, and nobody accused',
)
for (const file of ['fsdax.txt', 'devdax.txt']) {
  const { pid, piped, registered } = held(file)
  assert.ok(piped.length > 0, `${file}: nothing was put into a pipe`)
  for (const pfn of piped)
    assert.ok(
      holdersOf(pfn, pid).some(({ kind }) => kind === 'pipe'),
      `pipe of ${pfn}`,
    )
  for (const pfn of registered)
    assert.ok(
      holdersOf(pfn, pid).some(({ words }) => words.includes('registered with io_uring by')),
      `buffer of ${pfn}`,
    )
  console.log(`${file}: ${piped.length} pages in a pipe and ${registered.length} registered, as hold-${pid} says`)
}
assert.match(read('exit.txt'), /^[03]\n$/)
assert.match(read('refused.txt'), /lastput core: .*needs root/s)
console.log('without root: refused, in words')

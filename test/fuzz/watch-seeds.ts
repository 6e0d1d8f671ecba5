// SPDX-License-Identifier: GPL-2.0-or-later
/** Recordings of watched counts that the fuzzer starts from: the samples alone, and the directory packed by tar. */
import { writeTar } from '../../testkit/writers/tar.ts'
import type { Mark } from '../../testkit/writers/tracedat.ts'
import { WatchMachine, type Way } from '../../testkit/writers/watch-machine.ts'
import type { Seed } from './seeds.ts'

const WAYS: readonly Way[] = ['get', 'tryGet', 'add', 'freeze', 'unfreeze', 'putReturn', 'sub', 'put', 'or', 'setWide']

function machine(): WatchMachine {
  const made = new WatchMachine([1, 2, 3])
  const functions = WAYS.map(way => made.fn(`f_${way}`, way))
  for (let i = 0; i < 40; i++) {
    const called = functions[i % functions.length]!
    made.run(called, i % 3, { pid: 7 + (i % 2), cpu: i & 1, n: 2, refused: i % 17 === 1 })
    if (i === 20) made.lose(2)
  }
  return made
}

/** Every word that is not zero. */
function marksOf(file: Uint8Array): Mark[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const marks: Mark[] = []
  for (let at = 0; at + 8 <= file.length; at += 8) {
    if (view.getBigUint64(at, true) === 0n) continue
    marks.push({ offset: at, size: 8, what: 'word' }, { offset: at, size: 4, what: 'half' })
    marks.push({ offset: at + 4, size: 2, what: 'quarter' })
  }
  return marks
}

function seed(kind: string, bytes: Uint8Array): Seed {
  return { kind, parts: 0, text: false, make: () => ({ bytes, marks: marksOf(bytes) }) }
}

const { data, kcore, kallsyms } = machine().files()

export const WATCH_SEEDS: readonly Seed[] = [
  seed('watch', data),
  seed(
    'watch-tar',
    writeTar([
      ['perf.data/data', data],
      ['perf.data/kcore_dir/kcore', kcore],
      ['perf.data/kcore_dir/kallsyms', new TextEncoder().encode(kallsyms)],
    ]),
  ),
]

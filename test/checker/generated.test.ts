// SPDX-License-Identifier: GPL-2.0-or-later
// The runtime of a search is compiled from its own source text. That text must mean the same wherever it is compiled: as it is
// imported, from its text, and from what a minifier makes of it.
import { build } from 'esbuild'
import { expect, test } from 'vitest'
import { swapLivelock } from '../../bench/models/swap-livelock.ts'
import { teardown } from '../../bench/models/teardown.ts'
import { type GeneratedCode, programOf, unspecializedProgramOf } from '../../src/checker/codegen/program-text.ts'
import type { Graph, SearchProgram } from '../../src/checker/codegen/search-program.ts'
import { localGroup, search } from '../../src/checker/explore/search.ts'
import { check, type System } from '../../src/checker/index.ts'
import type { SearchLimits } from '../../src/checker/options.ts'
import { prepare } from '../../src/checker/prepare.ts'

const LIMITS: SearchLimits = {
  memory: 2 ** 30,
  deadline: Number.POSITIVE_INFINITY,
  depth: Number.POSITIVE_INFINITY,
  handover: Number.POSITIVE_INFINITY,
  signal: undefined,
  onProgress: undefined,
  progressInterval: 1000,
}

const SYSTEMS: [string, () => System][] = [
  ['a swap livelock', () => swapLivelock({ pages: 2, faults: 2 })],
  ['a teardown', () => teardown({ pages: 1, vas: 1, faults: 1, gups: 1, zappers: 1 })],
]

/** All that a search can be asked, of a system that was explored to its end. */
async function answers(system: System, programFor: (code: GeneratedCode) => SearchProgram) {
  const { code, packing, most } = prepare(system, { partialOrder: false })
  const program = programFor(code)
  const initial = Int32Array.from(packing.initial)
  const result = await search(localGroup(program), packing.words, most, initial, LIMITS)
  const n = program.number()
  const outline = { offsets: new Int32Array(n + 1), started: new Int32Array(n), can: new Int32Array(n) }
  program.outline(outline, 0, n)
  const edges = outline.offsets[n]
  const graph: Graph = { ...outline, to: new Int32Array(edges), who: new Uint8Array(edges) }
  program.link(graph, 0, n)
  const last = program.stateAt(n - 1)
  return {
    ...result,
    states: program.states(),
    graph,
    numbered: program.numberOf(last),
    level: program.levelOf(n - 1),
    successors: program.successors(initial),
    predecessors: program.predecessors(program.levelOf(n - 1) - 1, last),
    images: program.images(last),
    threads: program.threadsAt(last),
  }
}

test.each(SYSTEMS)('of %s, the runtime as it is imported says what its specialized text says', async (_, system) => {
  const env = { me: 0, workers: 1 }
  const imported = await answers(system(), code => unspecializedProgramOf(code, env))
  expect(imported.end).toBe('complete')
  expect(imported.predecessors.length).toBeGreaterThan(0)
  expect(imported).toEqual(await answers(system(), code => programOf(code, env)))
})

test('a bundle that was minified has the same verdict', async () => {
  const contents = `
    export { check } from './src/checker/index.ts'
    export { swapLivelock } from './bench/models/swap-livelock.ts'`
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: process.cwd(), loader: 'ts' },
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    target: 'es2022',
  })
  const bundle = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0]!.contents).toString('base64')}`)
  const sizes = { pages: 2, faults: 2 }
  const { states, transitions, verdict } = await check(swapLivelock(sizes))
  expect(await bundle.check(bundle.swapLivelock(sizes))).toMatchObject({ states, transitions, verdict })
})

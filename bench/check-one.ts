// SPDX-License-Identifier: GPL-2.0-or-later
/** One check in a process of its own, as JSON: so that its memory is its own. */
import { check, prepare } from '../src/checker/index.ts'
import { spawn } from '../src/node/spawn.ts'
import { systems } from './models/index.ts'

const [name, reductions, workers] = process.argv.slice(2)
const bench = systems.find(s => s.name === name)
if (!bench) throw new Error(`no bench system ${name}`)
const reduce = reductions === 'reduced'
const options = { symmetry: reduce, partialOrder: reduce, workers: Number(workers), spawn }
const system = bench.build(bench.sizes.full, false)
const verdict = await check(system, options)
const { user, system: kernel } = process.cpuUsage()
// Before the model is made ready once more, for the figures of its states.
const rss = process.resourceUsage().maxRSS * 1024
const { bits, packing } = prepare(system, options)
console.log(
  JSON.stringify({
    verdict: verdict.verdict,
    states: verdict.states,
    transitions: verdict.transitions,
    reductions: verdict.reductions,
    cpu: (user + kernel) / 1e6,
    rss,
    bits,
    words: packing.words,
  }),
)

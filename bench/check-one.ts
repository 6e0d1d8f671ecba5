// SPDX-License-Identifier: GPL-2.0-or-later
/** Runs one check in a process of its own, so that its memory can be measured, and prints the result as JSON. */
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
// Measured before prepare() is called again for the figures about states, which takes memory as well.
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

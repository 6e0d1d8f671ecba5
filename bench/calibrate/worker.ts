// SPDX-License-Identifier: GPL-2.0-or-later
/** A worker thread that simulates, judges and scores recordings, seed by seed. */
import { parentPort, workerData } from 'node:worker_threads'
import { runSeed } from './run-seed.ts'
import { simulatorOf } from './simulators.ts'

const { simulator, seeds, correct } = workerData as { simulator: string; seeds: number[]; correct: boolean }
for (const seed of seeds) parentPort!.postMessage(await runSeed(simulatorOf(simulator), seed, correct))

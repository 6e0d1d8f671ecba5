// SPDX-License-Identifier: GPL-2.0-or-later
/** A worker thread that simulates, judges and scores recordings, seed by seed. */
import { parentPort, workerData } from 'node:worker_threads'
import { runSeed } from './run-seed.ts'

const { seeds, correct } = workerData as { seeds: number[]; correct: boolean }
for (const seed of seeds) parentPort!.postMessage(await runSeed(seed, correct))

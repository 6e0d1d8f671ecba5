// SPDX-License-Identifier: GPL-2.0-or-later
// The hot loop in WebAssembly and the tracker take in every event alike, in many recordings.
import { it } from 'vitest'
import { makeRecording as makeDriver } from '../../testkit/drivers/make.ts'
import { makeRecording as makeLifecycles } from '../../testkit/lifecycles/index.ts'
import { compare, compareNoise, compareRecording, RECORDINGS } from './compare-loops.ts'

const SEEDS = Array.from({ length: 40 }, (_, i) => 4300 + i)

it.each(RECORDINGS)('a real kernel: %s', compareRecording)
it.each(SEEDS)('the first simulator, seed %i', seed => compare(makeDriver(seed).recording))
it.each(SEEDS)('the second simulator, seed %i', seed => compare(makeLifecycles(seed).recording))
it.each(SEEDS)('events that no kernel writes, seed %i', compareNoise)

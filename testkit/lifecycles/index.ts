// SPDX-License-Identifier: GPL-2.0-or-later
/** Recordings of random drivers with known truth: `makeRecording(seed)` is always the same for a seed. */
import type { FindingKind } from '../../src/ledger/findings/registry.ts'
import { observed } from '../../src/trace/common/clock-resolution.ts'
import type { LostEvents, Recording } from '../../src/trace/events.ts'
import { fakeRecording, type Row } from '../fake-recording.ts'
import { random } from '../random.ts'
import { type Conditions, recorded } from './conditions.ts'
import { Judge } from './decide.ts'
import type { Plant } from './memory.ts'
import type { Operation } from './operation.ts'
import { type Run, simulate } from './simulate.ts'

export interface Planted {
  kind: Plant['kind']
  /** Kinds of findings that are right about the fault. */
  kinds: FindingKind[]
  pfn: number
  /** Right culprits. For a leak, the function that took the reference whose put is missing. */
  functions: string[]
  units: number
  /** True time of the fault. The recording's clock may be skewed or coarse. */
  time: number
  /** True if the recording suffices to find the fault. */
  decidable: boolean
  /** Other pages whose counts became wrong as a consequence. */
  cascade: number[]
  /** The mutation of the driver, for debugging single cases. */
  cause: string
}

export interface LifecycleRecording {
  seed: number
  recording(batch?: number): Recording
  truth: {
    planted: Planted[]
    /** True if no fault struck, recorded or not. */
    correct: boolean
    /** Pages with a wrong count, and the true time since when. */
    spoilt: { pfn: number; time: number }[]
    /** Pages that are rightly held at the end. */
    held: number[]
    /**
     * What the objects that hold these pages wait for: a time, the eviction from a cache, the teardown, or other objects. By
     * counts alone, the second and third look like leaks.
     */
    waits: { pfn: number; for: 'time' | 'cache' | 'end' | 'others' }[]
  }
  /** Properties of the driver that make it hard to judge. */
  driver: { keeps: boolean; caches: number }
  conditions: Conditions
  rows: Row[]
  lost: LostEvents[]
  tasks: ReadonlyMap<number, string>
}

const KINDS: Record<Plant['kind'], FindingKind[]> = {
  leak: ['leak'],
  'surplus-put': ['surplus-put', 'put-on-free-page'],
  'get-on-free-page': ['get-on-free-page'],
  'no-init': ['get-on-free-page', 'put-on-free-page', 'surplus-put'],
}

/** @param change conditions that replace those drawn from the seed */
export function makeRecording(seed: number, change: Partial<Conditions> = {}): LifecycleRecording {
  return recordingOf(seed, simulate(seed, change))
}

/** Makes the recording of a run. */
export function recordingOf(seed: number, run: Run): LifecycleRecording {
  const { conditions, kernel, recorder, firstPfn, setUp, end } = run
  const all = recorder.rows.map((row, i) => ({ row, i })).sort((a, b) => a.row.time - b.row.time || a.i - b.i)
  const kept = recorded(
    all.map(({ row }) => row),
    conditions,
    setUp,
    random(~seed),
  )
  const seen = new Set(kept.rows.map(row => recorder.operations.get(row)!))
  const tasks = new Map([...kernel.tasks, ...kernel.workers].map(({ pid, name }) => [pid, name]))
  tasks.set(0, '<idle>')
  const silent = conditions.end !== 'cut' && conditions.silence > 0
  const info = silent ? { endTime: recorder.clock(0, end) } : {}
  const recording = (batch?: number) =>
    asRead(
      fakeRecording(kept.rows, kept.lost, {
        tasks,
        cpus: conditions.cpus,
        info,
        ...(batch === undefined ? {} : { batch }),
      }),
    )
  const judge = new Judge({ conditions, memory: run.memory, seen, lost: kept.lost, end })
  const planted = truthOf(run, seen, judge)
  return {
    seed,
    recording,
    truth: {
      planted,
      correct: run.memory.plants.length === 0,
      spoilt: [...run.memory.spoilt].map(([page, time]) => ({ pfn: firstPfn + page, time })),
      held: heldOf(run).map(page => firstPfn + page),
      waits: waitsOf(run),
    },
    driver: { keeps: run.driver.keeps, caches: run.driver.caches.length },
    conditions,
    rows: kept.rows,
    lost: kept.lost,
    tasks,
  }
}

/** Returns the recording as readers pass it on: they find out from the stamps how coarse the clock is. */
function asRead(recording: Recording): Recording {
  return { ...recording, batches: () => observed(recording.info, () => recording.timeBase, recording.batches()) }
}

function heldOf({ memory }: Run): number[] {
  const taken = new Set(memory.log.flatMap(({ take }) => take))
  const holds = memory.tokens.filter(
    token => taken.has(token) && !token.phantom && !token.leaked && token.given === undefined,
  )
  return [...new Set(holds.map(({ page }) => page))].sort((a, b) => a - b)
}

function waitsOf({ world, firstPfn }: Run): LifecycleRecording['truth']['waits'] {
  const waits = [...world.schedule.live].flatMap(thing => {
    const pages = new Set(thing.slots.flat().map(({ page }) => page))
    return [...pages].map(page => ({ pfn: firstPfn + page, for: thing.pending?.edge.when.by ?? ('others' as const) }))
  })
  return waits.sort((a, b) => a.pfn - b.pfn)
}

/** Returns the faults on pages that the recording has. Those of one lifetime and cause are merged. */
function truthOf({ memory, firstPfn }: Run, seen: ReadonlySet<Operation>, judge: Judge): Planted[] {
  const pages = new Set([...seen].map(({ page }) => page))
  const plants = new Map<string, Plant>()
  for (const plant of memory.plants.filter(({ page }) => pages.has(page))) {
    const key = [plant.page, plant.life, plant.kind, plant.cause, ...plant.functions].join()
    const same = plants.get(key)
    if (same) same.units += plant.units
    else plants.set(key, { ...plant })
  }
  return [...plants.values()].map(plant => {
    const { kind, page, life, units, time, cause } = plant
    const everybody = memory.log
      .filter(other => other.page === page && other.life === life)
      .map(other => other.function)
    const functions = kind === 'no-init' ? [...plant.functions, ...everybody] : plant.functions
    const wrong = kind === 'leak' ? [] : [...memory.spoilt].filter(([other, since]) => other !== page && since >= time)
    return {
      kind,
      kinds: KINDS[kind],
      pfn: firstPfn + page,
      functions: [...new Set(functions)],
      units,
      time,
      decidable: judge.decidable(plant),
      cascade: wrong.map(([other]) => firstPfn + other),
      cause,
    }
  })
}

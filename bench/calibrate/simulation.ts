// SPDX-License-Identifier: GPL-2.0-or-later
/** A simulated recording with its truth, in the shape in which recordings of any simulator are judged, scored and shown. */
import type { FindingKind } from '../../src/ledger/findings/registry.ts'
import type { Recording } from '../../src/trace/events.ts'
import type { Culprit } from '../../testkit/drivers/stacks.ts'

export interface ExpectedFault {
  kind: string
  /** Kinds of findings that are right about the fault. */
  accepted: readonly FindingKind[]
  pfn: number
  culprits: readonly Culprit[]
  /** The names in `culprits`. */
  functions: readonly string[]
  units: number
  time: number
  /** The part of the driver that has the fault, and what the fault is there; faults that agree in both are of one bug. */
  subsystem: string
  mode: string
  /** True if the recorded events can show the fault; below, the reason if not, where the simulator tells one. */
  decidable: boolean
  why: string | undefined
}

export interface Expected {
  faults: readonly ExpectedFault[]
  /** Pages with a wrong count, and the time since when. Later findings about them may be consequences. */
  cascade: readonly { pfn: number; time: number }[]
  /** Largest difference between a recorded and a true time, in the unit of the recording's clock. */
  slack: number
}

export interface Simulation {
  seed: number
  /** Returns a new object for each call, since a recording can be read only once. */
  recording(): Recording
  events: number
  /** True if the driver has no fault at all, recorded or not. */
  correct: boolean
  expected: Expected
  /** Conditions of the recording, for the table by condition; the first is `all`, the second tells ideal ones from others. */
  tags: string[]
  /** Describes the driver, its conditions and what is held at the end, for replays. */
  describe(): string[]
  /** Writes the recording as a file, with its truth beside it. */
  write(directory: string): void
}

/** @param correct true for a driver without faults, whatever the seed draws */
export type Simulator = (seed: number, correct: boolean) => Simulation

// SPDX-License-Identifier: GPL-2.0-or-later
/** Options of a random history, and the truth about one. */
import type { Row } from '../fake-recording.ts'

export const PROTOCOLS = ['A', 'D', 'E', 'GENERIC', 'FSDAX_612', 'FSDAX_73', 'P2PDMA_612', 'P2PDMA_73'] as const
export type Protocol = (typeof PROTOCOLS)[number]

export const FAULTS = [
  'leak',
  'driver-leak',
  'surplus-put',
  'surplus-put-early',
  'stale-get',
  'stale-get-put',
  'no-init',
] as const
export type Fault = (typeof FAULTS)[number]

export interface HistoryOptions {
  seed: number
  protocol: Protocol
  pages: number
  cpus: number
  /** Number of tasks, which are spread over the CPUs. */
  tasks: number
  /** Number of allocations of all pages together. */
  lives: number
  /** Number of kinds of further references that a lifetime may have. */
  kinds: number
  fault: Fault | 'none'
  /** Whether the wrong operation has a call site of its own, or one that is correct at all other times. */
  faultSite: 'own' | 'common'
  /** Delay between an operation and its stamp: none, a part of the time that references are held, or several such times. */
  window: 'none' | 'short' | 'long'
  stacks: boolean
  /** True if the pagemap is torn down at the end. */
  teardown: boolean
  /** The recorded part of the time, as fractions. */
  cut: { from: number; to: number }
  /** Number of gaps with lost events. */
  gaps: number
}

/** An event with the truth about its operation. */
export interface TrueRow extends Row {
  /** Time of the operation; `time` is the stamp of its event. */
  opTime: number
  /** Order of operations with equal time. */
  sequence: number
  role: 'setup' | 'alloc' | 'get' | 'put' | 'reset' | 'nothing' | 'teardown'
  /** Number of the reference that a get took or a put dropped; the two steps of a pin share one. Negative: none. */
  reference: number
  /** The page's count just after the operation. */
  after: number
}

/** The right finding about a history. */
export interface ExpectedFault {
  fault: Fault
  kinds: string[]
  pfn: number
  functions: string[]
  /** True if the recorded operations do not distinguish the fault from correct behaviour. */
  optional: boolean
}

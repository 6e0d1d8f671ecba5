// SPDX-License-Identifier: GPL-2.0-or-later
/** What a random history may be like, and what is known to be true of one. */
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
  /** Tasks, spread over the CPUs. */
  tasks: number
  /** How often a page is handed out, over all pages. */
  lives: number
  /** Kinds of further references a life may have. */
  kinds: number
  fault: Fault | 'none'
  /** Whether the faulty change has a call site of its own, or one that behaves well at all other times. */
  faultSite: 'own' | 'common'
  /** How long an event may be delayed between its operation and its timestamp: not, by part of a hold, by whole holds. */
  window: 'none' | 'short' | 'long'
  stacks: boolean
  /** Whether the pagemap is torn down at the end. */
  teardown: boolean
  /** The part of the time that was recorded. */
  cut: { from: number; to: number }
  /** How many gaps of lost events. */
  gaps: number
}

/** What an event really was. */
export interface TrueRow extends Row {
  /** When the operation happened; `time` is when its event was stamped. */
  opTime: number
  /** Orders operations of one time. */
  sequence: number
  role: 'setup' | 'alloc' | 'get' | 'put' | 'reset' | 'nothing' | 'teardown'
  /** Which reference a get took or a put gave back; gets of two steps (pins) share one. Negative: none. */
  reference: number
  /** The page's count just after the operation. */
  after: number
}

/** The finding that is right about a history. */
export interface ExpectedFault {
  fault: Fault
  kinds: string[]
  pfn: number
  functions: string[]
  /** The recorded changes alone do not tell this fault from good behaviour. */
  optional: boolean
}

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The language in which a random driver is written: kinds of objects, each a state machine. A transition is an `Edge`:
 * when and in whose context it happens, and what it does, one act after the other. An object keeps its references in
 * numbered slots.
 */
import type { Site } from './names.ts'

export const END = -1

/** In whose context: the object's own task, any other task, or one of the queues of the kernel. */
export type Where = 'same' | 'other' | 'work' | 'softirq' | 'timer' | 'rcu'

/**
 * How references come: handed out with the page, one by one, several at once, as a pin of 1,024 in two steps, or one by
 * get_page_unless_zero(), which fails on a free page.
 */
export interface Take {
  act: 'take'
  slot: number
  how: 'out' | 'each' | 'bulk' | 'pin' | 'try'
  units: number
  site: Site
}

/** How they go: one by one, all of a page at once, or in pieces of random size. */
export interface Give {
  act: 'give'
  slot: number
  how: 'each' | 'bulk' | 'pieces'
  /** One of each page's, or all that are left. */
  part: 'one' | 'all'
  site: Site
  /** From the last page to the first. */
  backwards: boolean
}

export interface Spawn {
  act: 'spawn'
  kind: number
  times: number
  chance: number
  /** The slot whose references the children are born with; they are no longer the parent's. */
  carry: number | undefined
  /** The children keep the parent from giving anything back. */
  hold: boolean
}

export interface Pause {
  act: 'pause'
  low: number
  high: number
  sleep: boolean
}

export type Act = Take | Give | Spawn | Pause

export interface Edge {
  id: number
  from: number
  to: number
  weight: number
  /** After a time, when a cache has no more room for the object, or only when everything is taken down. */
  when: { by: 'time'; low: number; high: number } | { by: 'cache'; cache: number } | { by: 'end' }
  where: Where
  acts: Act[]
}

export interface Kind {
  id: number
  /**
   * Where its pages come from: the free list, the object that it was made by, references handed to it, an object that
   * it holds (without references of its own to begin with), or a guess at a page that may be free.
   */
  origin: 'fresh' | 'parent' | 'carried' | 'holder' | 'lookup'
  pages: [low: number, high: number]
  slots: number
  edges: Edge[]
  /** How often it is made, of those that are not made by others. */
  weight: number
  /** Its first slot's references are a page table's. */
  mapped: boolean
}

export interface Driver {
  protocol: 'private' | 'fsdax'
  kinds: Kind[]
  caches: { capacity: number; policy: 'lru' | 'random' }[]
  /** Whether objects of some kinds may stay until everything is taken down: what looks like a leak until then is none. */
  keeps: boolean
  /** Who sets the pagemap up. */
  setUp: Site
}

export const gives = (edge: Edge) => edge.acts.some(({ act }) => act === 'give')

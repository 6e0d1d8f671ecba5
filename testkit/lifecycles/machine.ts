// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The representation of a random driver: kinds of objects, each of which is a state machine. A transition (`Edge`) has a
 * condition, a context and a sequence of acts. An object keeps its references in numbered slots.
 */
import type { Site } from './names.ts'

export const END = -1

/** The context of a transition: the object's own task, another task, or one of the kernel's queues. */
export type Where = 'same' | 'other' | 'work' | 'softirq' | 'timer' | 'rcu'

/**
 * How references are taken: by the allocation of the page, one by one, several at once, as a pin of 1,024 in two steps, or one by
 * get_page_unless_zero(), which fails on a free page.
 */
export interface Take {
  act: 'take'
  slot: number
  how: 'out' | 'each' | 'bulk' | 'pin' | 'try'
  units: number
  site: Site
}

/** How references are put: one by one, all of a page at once, or in parts of random size. */
export interface Give {
  act: 'give'
  slot: number
  how: 'each' | 'bulk' | 'pieces'
  /** One reference of each page, or all remaining ones. */
  part: 'one' | 'all'
  site: Site
  /** True for puts from the last page to the first. */
  backwards: boolean
}

export interface Spawn {
  act: 'spawn'
  kind: number
  times: number
  chance: number
  /** The slot whose references are passed to the children, and no longer belong to the parent. */
  carry: number | undefined
  /** True if the parent puts nothing while it has children. */
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
  /** After a time, when the object is evicted from a cache, or only at the teardown. */
  when: { by: 'time'; low: number; high: number } | { by: 'cache'; cache: number } | { by: 'end' }
  where: Where
  acts: Act[]
}

export interface Kind {
  id: number
  /**
   * The origin of an object's pages: the free list, its creator, references that were passed to it, an object that it holds
   * (without references of its own at first), or the lookup of a page that may be free.
   */
  origin: 'fresh' | 'parent' | 'carried' | 'holder' | 'lookup'
  pages: [low: number, high: number]
  slots: number
  edges: Edge[]
  /** Relative frequency among the kinds that are not created by others. */
  weight: number
  /** True if the references in the first slot are those of a page table. */
  mapped: boolean
}

export interface Driver {
  protocol: 'private' | 'fsdax'
  kinds: Kind[]
  caches: { capacity: number; policy: 'lru' | 'random' }[]
  /** True if objects of some kinds may stay until the teardown, so that they look like leaks before it. */
  keeps: boolean
  /** Call site of the pagemap's set-up. */
  setUp: Site
}

export const gives = (edge: Edge) => edge.acts.some(({ act }) => act === 'give')

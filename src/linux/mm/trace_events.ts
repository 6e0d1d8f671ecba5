// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The events that a recording can have: page_ref events, kprobes that the user sets, and the kernel's own reports. They say
 * what a step does, whether or not that is correct, and have no effect on the state.
 */
import type { Shared, Steps } from '../../checker/index.ts'
import type { DevPagemap, Page } from '../types.ts'
import { first_step } from './each_step.ts'

/** One `page_ref:*` event, with the fields of the tracepoint. */
export interface PageRefEvent {
  readonly event:
    | 'page_ref_set'
    | 'page_ref_mod'
    | 'page_ref_mod_and_test'
    | 'page_ref_mod_and_return'
    | 'page_ref_mod_unless'
  readonly pfn: number
  readonly count: number
  readonly mapcount: number
  readonly locked: boolean
  readonly val: number
  /** `ret`, where the event has one: a boolean as 0 or 1, or the new count. */
  readonly ret?: number
}

/** A probe on a page. */
export interface PageProbe {
  /**
   * `lastput_free`: with {@link entered}, the owner's page_free() is entered; without, the page is put on the free list.
   * `lastput_alloc`: the owner hands the page out. `lastput_use`: a use of the page that requires a reference.
   */
  readonly event: 'lastput_free' | 'lastput_alloc' | 'lastput_use'
  readonly pfn: number
  /** Name of the page_free() function that is entered. */
  readonly entered?: string
}

/** A probe at the entry of memunmap_pages(), or at its return. */
export interface PagemapProbe {
  readonly event: 'lastput_memunmap' | 'lastput_memunmap_end'
  readonly pgmap: DevPagemap
}

/** The kernel's own tracepoint: a WARN has fired. */
export interface Report {
  readonly event: 'error_report_end'
}

export type TraceEvent = PageRefEvent | PageProbe | PagemapProbe | Report

export function is_page_ref(event: TraceEvent): event is PageRefEvent {
  return event.event.startsWith('page_ref_')
}

/** Passes an event to whoever executes the step. While the checker explores, nobody receives it. */
export function emit(s: Shared, event: TraceEvent): void {
  s.observe?.(event)
}

export function probe_page(s: Shared, event: PageProbe['event'], page: Page): void {
  emit(s, { event, pfn: page.pfn })
}

/** Returns `steps` with a probe at the function's entry. */
export function entering<T>(steps: Steps<T>, enter: (s: Shared) => void): Steps<T> {
  return first_step(steps, enter)
}

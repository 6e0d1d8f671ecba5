// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * kernel/sched/wait_bit.c: sleeping until a variable of a page has some value, and waking the sleepers. A sleeper that nobody
 * wakes sleeps for ever, even if the value has changed, so that a lost wake-up is a violation.
 *
 * Not modelled: signals (TASK_INTERRUPTIBLE ends a sleep early), and sleepers on other variables in the same hashed queue, which
 * wake_up_var() checks and leaves asleep.
 */
import { type Cell, cell, type Shared, type Steps, step } from '../../../checker/index.ts'
import type { Kernel, Page } from '../../types.ts'

/**
 * Value of a task's cell while the task is on no wait queue; otherwise the cell holds 1 + the number of the page it sleeps
 * on.
 */
const RUNNING = 0

/** Adds the `struct wait_bit_queue_entry` of a task. Call it before the system's cells are collected ({@link Role.prepare}). */
export function wait_entry(kernel: Kernel, task: string): Cell {
  const { page_sort } = kernel
  const entry = cell(`${task}.sleeps_on`, {
    max: page_sort.size,
    refers: (v, image) => (v === RUNNING ? RUNNING : 1 + image(page_sort, v - 1)),
    show: v => (v === RUNNING ? 'nothing' : `page ${v - 1}`),
  })
  kernel.cells.push(entry)
  kernel.sleepers.push(entry)
  return entry
}

/**
 * prepare_to_wait_event() and the check of the condition after it; true if there is nothing to wait for. They can be one
 * step, since a wake-up between the two ends the following sleep just as one after them does. What matters is their order: a
 * wake-up that comes before the task is on the queue finds nobody.
 */
export function* prepare_to_wait(entry: Cell, page: Page, condition: (s: Shared) => boolean): Steps<boolean> {
  if (page.pgmap.kernel.fixes.has('sleeper_looks_without_barrier'))
    return yield* wait_without_barrier(entry, page, condition)
  return yield* step('prepare_to_wait_event', s => {
    const met = condition(s)
    s.set(entry, met ? RUNNING : 1 + page.index)
    return met
  })
}

/**
 * As {@link prepare_to_wait}, but as if set_current_state() were no barrier: the task may then check the condition before
 * others can see it on the queue. Without store buffers that makes no difference.
 */
function* wait_without_barrier(entry: Cell, page: Page, condition: (s: Shared) => boolean): Steps<boolean> {
  yield* step('__set_current_state', s => s.set(entry, 1 + page.index), 'plain')
  const met = yield* step('condition', condition, 'plain')
  if (met) yield* step('finish_wait', s => s.set(entry, RUNNING))
  return met
}

/** schedule(): blocks until somebody has woken the task. */
export function* schedule(entry: Cell): Steps<void> {
  yield* step('schedule', s => s.wait(s.get(entry) === RUNNING))
}

/** Wakes every task that sleeps on the page. Takes no step in a system in which no task ever sleeps. */
export function* wake_up_var(page: Page): Steps<void> {
  const { sleepers } = page.pgmap.kernel
  if (sleepers.length === 0) return
  yield* step('wake_up_var', s => {
    for (const entry of sleepers) if (s.get(entry) === 1 + page.index) s.set(entry, RUNNING)
  })
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Findings of CPU faults that are retried without end: how often, and whose reference may keep the migration from succeeding. */
import { Op } from '../../trace/events.ts'
import { baseName, StackTrait, traitsOf } from '../callsites/symbol-lists.ts'
import type { Finding } from '../findings/finding.ts'
import type { LearningTracker } from '../learn/learning-tracker.ts'
import type { Attempts } from '../track/fault-retries.ts'
import type { PageState } from '../track/lifetime-event.ts'
import { PageBit } from '../track/page-state.ts'
import type { Naming } from './naming.ts'
import { newFinding } from './new-finding.ts'
import type { Holder, OpenFindings } from './open-findings.ts'

/** Most references of others that are named. */
const SHOWN = 8

export function retryFindings(ledger: LearningTracker, naming: Naming, open: OpenFindings): Finding[] {
  return [...ledger.retries.repeated()].flatMap(({ row, tasks }) => {
    const finding = retryFinding(ledger, naming, open, row, tasks)
    return finding ? [finding] : []
  })
}

function retryFinding(
  ledger: LearningTracker,
  naming: Naming,
  open: OpenFindings,
  row: number,
  tasks: readonly Attempts[],
): Finding | undefined {
  const { pages } = ledger
  const state = ledger.stateOf(row)
  const [first] = tasks as [Attempts]
  const idle = state.idle ?? 0
  // If the references of the attempts stay out, they are reported as a leak instead.
  if (state.lossy || pages.bits[row]! & PageBit.countUncertain || state.count - idle > first.times / 2) return undefined
  return newFinding(ledger, 'fault-retries', row, {
    life: { began: state.events[0]?.time, ended: undefined },
    count: state.count,
    expected: idle,
    certainty: 'certain',
    culprit: naming.actor({ ...first, time: first.last, op: Op.MOD, val: 1 }),
    references: 1,
    evidence: [...tasks.map(task => attemptWords(task, naming)), ...othersWords(open, state, tasks)],
  })
}

function attemptWords({ pid, times, first, last }: Attempts, naming: Naming): string {
  return `${naming.task(pid)} tried ${times} times within ${naming.span(last - first)}, each time took its reference and gave it back, and the page stays where it is`
}

/** Returns sentences on the other references that are out: a migration fails while there are any that it does not expect. */
function othersWords(open: OpenFindings, state: PageState, tasks: readonly Attempts[]): string[] {
  // References that the fault itself took, and the mapping that it restored, do not keep the migration from succeeding.
  const isFaults = ({ actor }: Holder) => actor?.stack.some(({ name }) => traitsOf(name) & StackTrait.FAULT)
  const others = open.holders(state).filter(holder => !isFaults(holder))
  const named = others.slice(0, SHOWN).map(otherWords)
  if (others.length > 0) return ['a migration fails while others hold references to the page:', ...named]
  const why =
    tasks.length > 1
      ? `${tasks.length} tasks do this at once: the reference that one takes makes the other's migration fail`
      : 'nobody else keeps a reference: whoever makes the migration fail gives it back each time'
  return [why]
}

function otherWords({ actor, units }: Holder): string {
  const what = units === 1 ? 'one reference is out' : `${units} references are out`
  if (!actor) return `${what} from before the recording`
  const site = actor.frame ? baseName(actor.frame.name) : 'a site without stack'
  return `${what} that ${site} took in ${actor.task}-${actor.pid}`
}

// SPDX-License-Identifier: GPL-2.0-or-later
import type { StackTable } from '../trace/events.ts'
import { CallSites } from './callsites/call-sites.ts'
import { PairModel } from './pairs.ts'
import { shorten } from './shorten.ts'
import type { Compact } from './track/lifetimes.ts'
import { Tracker, type TrackerOptions } from './track/tracker.ts'

/** A tracker that learns from complete lifetimes which call site gives back what which one took. */
export class Ledger extends Tracker {
  readonly model: PairModel

  /** @param hints a ledger that has seen the recording's beginning */
  constructor(stacks: StackTable, options: TrackerOptions = {}, hints?: Ledger) {
    const sites = hints?.sites ?? new CallSites(stacks)
    const model = new PairModel(sites)
    super(stacks, options, { sites, compact: compactBy(model), hints })
    this.model = model
  }

  /** Settles what is still open at the end of the recording, and learns from all lifetimes. */
  override finish(): void {
    super.finish()
    this.model.learn(this.shapes)
  }
}

/** Returns a function that shortens long lifetimes; the model learns again once twice as many lifetimes are known. */
function compactBy(model: PairModel): Compact {
  let learnedAt = 0
  return (row, { pages, nodes, shapes, lives }) => {
    if (lives.complete >= 2 * learnedAt && lives.complete > 0) {
      learnedAt = lives.complete
      model.learn(shapes)
    }
    shorten(row, pages, nodes, model)
  }
}

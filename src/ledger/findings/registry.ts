// SPDX-License-Identifier: GPL-2.0-or-later
/** The registry of kinds of findings: one file in kinds/ and one line here for each. All lists of kinds are derived from it. */
import type { KindOfFinding } from './finding-kind.ts'
import { allocAfterKill } from './kinds/alloc-after-kill.ts'
import { countMismatch } from './kinds/count-mismatch.ts'
import { faultRetries } from './kinds/fault-retries.ts'
import { freeTwice } from './kinds/free-twice.ts'
import { freedInUse } from './kinds/freed-in-use.ts'
import { getOnFreePage } from './kinds/get-on-free-page.ts'
import { heldAtEnd } from './kinds/held-at-end.ts'
import { leak } from './kinds/leak.ts'
import { neverFreed } from './kinds/never-freed.ts'
import { pagemapGone } from './kinds/pagemap-gone.ts'
import { putOnFreePage } from './kinds/put-on-free-page.ts'
import { surplusPut } from './kinds/surplus-put.ts'
import { teardownWaits } from './kinds/teardown-waits.ts'
import { touchAfterFree } from './kinds/touch-after-free.ts'

/** All kinds, in the order in which every list shows them. */
export const KINDS = [
  leak,
  neverFreed,
  surplusPut,
  getOnFreePage,
  putOnFreePage,
  countMismatch,
  touchAfterFree,
  freeTwice,
  freedInUse,
  pagemapGone,
  allocAfterKill,
  heldAtEnd,
  teardownWaits,
  faultRetries,
] as const satisfies readonly KindOfFinding[]

type Kind = (typeof KINDS)[number]

/** Id of a kind of finding. */
export type FindingKind = Kind['id']

/** Id of a kind that only probes show. */
export type ProbeKind = Extract<Kind, { shownBy: 'probes' }>['id']

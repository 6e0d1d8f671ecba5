// SPDX-License-Identifier: GPL-2.0-or-later
/** Which law of the recording two events obey. */
import type { ActorJson, LawJson, LawSiteJson } from './documents.ts'
import { siteText } from './words.ts'

/** Returns the law by which a put gives back what a get took; undefined where no law tells. */
export function lawOf(laws: readonly LawJson[], get: ActorJson, put: ActorJson): LawJson | undefined {
  return laws.find(({ gets, puts }) => gets.some(site => isAt(site, get)) && puts.some(site => isAt(site, put)))
}

/** True if an event came from that call site. */
function isAt(site: LawSiteJson, actor: ActorJson): boolean {
  if (siteText(site) !== siteText(actor)) return false
  return (site.callers ?? []).every(
    (caller, i) => actor.stack[i + 1] && siteText(caller) === siteText(actor.stack[i + 1]!),
  )
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Finds the law that a get and a put obey. */
import type { ActorJson, LawJson, LawSiteJson } from './documents.ts'
import { siteText } from './words.ts'

/** Returns the law by which the put gives back the reference of the get; undefined if no law pairs their call sites. */
export function lawOf(laws: readonly LawJson[], get: ActorJson, put: ActorJson): LawJson | undefined {
  return laws.find(({ gets, puts }) => gets.some(site => isAt(site, get)) && puts.some(site => isAt(site, put)))
}

/** True if the event comes from the call site. */
function isAt(site: LawSiteJson, actor: ActorJson): boolean {
  if (siteText(site) !== siteText(actor)) return false
  return (site.callers ?? []).every(
    (caller, i) => actor.stack[i + 1] && siteText(caller) === siteText(actor.stack[i + 1]!),
  )
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Names the protocols whose rule agrees with what a recording shows of a pagemap's pages. */
import { PAGE_RULES, type PageRule, type PageType, PROTOCOL_IDS, type ProtocolId } from '../../linux/protocols/rules.ts'
import { byRelease } from './kernel-release.ts'
import type { Pagemap } from './pagemap-table.ts'

/** Returns the protocols whose rule for the pagemap's type of memory agrees with what was seen, and the evidence in words. */
export function protocolOf(pagemap: Pagemap, kernel: string | undefined): { protocol: string; recognisedBy: string } {
  const { rule } = pagemap
  if (!rule) return { protocol: 'unknown', recognisedBy: 'too few events to tell' }
  const types = typesOf(pagemap)
  const fits = PROTOCOL_IDS.filter(
    id => SHIPPED.has(id) && types.some(type => agrees(PAGE_RULES[id][type], rule, type, id, pagemap)),
  )
  const behaviour = describeRule(pagemap)
  if (fits.length <= 1) return { protocol: fits[0] ?? 'unknown', recognisedBy: behaviour }
  const release = byRelease(kernel)
  if (release && fits.includes(release)) {
    return {
      protocol: release,
      recognisedBy: `${behaviour}; ${fits.join(', ')} alike there, kernel ${kernel} has ${release}`,
    }
  }
  return { protocol: fits.join('/'), recognisedBy: behaviour }
}

const SHIPPED = new Set<ProtocolId>(['A', 'D', 'E', 'F', 'G'])

function typesOf(pagemap: Pagemap): PageType[] {
  if (pagemap.type === undefined) return ['PRIVATE', 'FS_DAX', 'GENERIC', 'PCI_P2PDMA']
  return pagemap.type === 'PRIVATE or COHERENT' ? ['PRIVATE'] : [pagemap.type]
}

function agrees(known: PageRule, seen: PageRule, type: PageType, id: ProtocolId, pagemap: Pagemap): boolean {
  if (known.idle !== seen.idle || known.coreResets !== seen.coreResets) return false
  if (seen.teardownPuts && !known.teardownPuts) return false
  // PRIVATE pages of A and the FS_DAX pages of A to E are put by an operation that returns the new value.
  const returns = pagemap.votes.returnedOne > 0
  if (id === 'A' && (type === 'PRIVATE' || type === 'FS_DAX') && !returns && pagemap.votes.teardown === 0) return false
  if (returns && type !== 'FS_DAX' && id !== 'A') return false
  const handedOut = pagemap.votes.setAtZero + pagemap.votes.getAtZero > 0
  return known.idle === 1 || !handedOut || known.handOut === seen.handOut
}

function describeRule(pagemap: Pagemap): string {
  const { rule, votes, initialCount } = pagemap
  if (pagemap.ruleForced) return 'told by --protocol'
  const parts = [
    initialCount === undefined ? `idle at ${rule!.idle}` : `initialised to ${initialCount}`,
    votes.setAtZero > 0 && rule!.idle === 0 ? `handed out by a set (${votes.setAtZero})` : '',
    rule!.handOut === 'get' && votes.getAtZero > 0 && rule!.idle === 0 ? `gets from 0 (${votes.getAtZero})` : '',
    votes.returnedOne > 0 ? `puts that return 1 (${votes.returnedOne})` : '',
    votes.coreReset > 0 ? `reset to 1 after the last put (${votes.coreReset})` : '',
    votes.teardown > 0 ? `put by memunmap_pages (${votes.teardown})` : '',
    votes.frozen > 0 ? `folios frozen and split (${votes.frozen})` : '',
  ]
  return parts.filter(part => part !== '').join(', ')
}

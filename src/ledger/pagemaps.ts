// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Pagemaps as a recording shows them, and the rule that each one's pages follow. The rule is read off what happens to
 * the pages, not off a version number: which counts they are initialised with, what takes an idle page into use, which
 * operations give it back.
 */
import { PAGE_RULES, type PageRule, type PageType, PROTOCOL_IDS, type ProtocolId } from '../linux/protocols/rules.ts'
import type { Limits } from './order.ts'

/** Pages between two initialised ones that may be missing: a compound page of 1 GB has only its first set up. */
const INIT_GAP = 1 << 18

/** Pages without a known pagemap are kept by section (128 MB of 4 KB pages), the grain in which device memory comes. */
const SECTION = 1 << 15

/** Most pagemaps told apart; a recording with more lumps the rest into the last. */
const MAX_PAGEMAPS = 1 << 14

/** Gets from zero by which FS_DAX is known when nothing is ever handed out by a set. */
const ENOUGH = 4

export interface Votes {
  /** Idle pages at 0 taken into use by a set, and by a get. */
  setAtZero: number
  getAtZero: number
  /** Gets from zero in a DAX fault. */
  daxFault: number
  /** Puts that returned 1 to a caller that asks for the new value. */
  returnedOne: number
  /** Counts set back to 1 by the function that put the last reference. */
  coreReset: number
  /** Puts by memunmap_pages(). */
  teardown: number
  /** Device pages split or frozen (large folios). */
  frozen: number
}

export interface Pagemap {
  firstPfn: number
  lastPfn: number
  /** Pages seen. */
  pages: number
  /** Set up during the recording, so that its pages' counts are known from the start. */
  initialised: boolean
  /** Count given at initialisation; undefined if that was not recorded. */
  initialCount: 0 | 1 | undefined
  /** Device memory (otherwise ordinary pages). */
  device: boolean
  type: PageType | 'PRIVATE or COHERENT' | undefined
  votes: Votes
  /** Value of the event's mapcount field when no page table maps the page, with how often it was seen at idle. */
  idleMapcounts: Map<number, number>
  limits: Limits
  /** Count at which a page's life ends; `NEVER_CLOSES` where the core says so by another set. */
  closesAt: number
  rule: PageRule | undefined
  ruleForced: boolean
  /** Lives that went as the rule has it, from idle to idle. */
  lives: number
}

/**
 * Of pages whose count the core sets back: being handed out does not change the count, so a page in use can stand at
 * the count of an idle one.
 */
export const NEVER_CLOSES = Number.MIN_SAFE_INTEGER

const NO_LIMITS: Limits = { getFrom: Number.MIN_SAFE_INTEGER + 1, putTo: Number.MIN_SAFE_INTEGER + 1, setOn: undefined }

/** Nothing is impossible on a page that has gone wrong already. */
export const LAWLESS = NO_LIMITS

/** Between memunmap_pages()' put and the last user's. */
export const UNMAPPED_LIMITS: Limits = { getFrom: 1, putTo: 0, setOn: undefined }

/** Counts never fall below zero, whatever the protocol. */
const UNKNOWN_LIMITS: Limits = { getFrom: 0, putTo: 0, setOn: undefined }

export class Pagemaps {
  readonly list: Pagemap[] = []
  /** Whether any device memory was recognised. */
  anyDevice = false
  readonly #forced: ProtocolId | undefined
  /** What a first look at the recording's beginning has shown. */
  readonly #hints: Pagemaps | undefined
  readonly #sections = new Map<number, number>()
  #run = { pagemap: -1, lastPfn: -1, pid: -1 }

  constructor(forced: ProtocolId | undefined, hints?: Pagemaps) {
    this.#forced = forced
    this.#hints = hints
    this.anyDevice = hints?.anyDevice ?? false
  }

  /** Index of the pagemap of a page whose initialisation was seen just now. */
  initialise(pfn: number, pid: number, device: boolean): number {
    const run = this.#run
    if (run.pagemap < 0 || run.pid !== pid || pfn < run.lastPfn || pfn - run.lastPfn > INIT_GAP) {
      run.pagemap = this.#add(pfn)
      this.list[run.pagemap]!.initialised = true
      run.pid = pid
    }
    const pagemap = this.list[run.pagemap]!
    run.lastPfn = pfn
    pagemap.lastPfn = Math.max(pagemap.lastPfn, pfn)
    if (pagemap.initialCount === undefined) {
      pagemap.initialCount = 1
      this.#takeHint(run.pagemap)
    }
    if (device) this.markDevice(run.pagemap)
    return run.pagemap
  }

  /** The second set of an initialisation: such pages are free at 0. Only the head of a compound page decides. */
  zeroInitialised(index: number, pfn: number): void {
    const pagemap = this.list[index]!
    if (pfn === pagemap.firstPfn) pagemap.initialCount = 0
  }

  /** Index of the pagemap of a page that was there before the recording. */
  covering(pfn: number): number {
    for (let i = this.list.length - 1; i >= 0; i--) {
      const pagemap = this.list[i]!
      if (pagemap.initialised && pfn >= pagemap.firstPfn && pfn <= pagemap.lastPfn) return i
    }
    const section = Math.floor(pfn / SECTION)
    let index = this.#sections.get(section)
    if (index === undefined) {
      index = this.#add(pfn)
      this.#sections.set(section, index)
      this.#takeHint(index)
    }
    const pagemap = this.list[index]!
    pagemap.firstPfn = Math.min(pagemap.firstPfn, pfn)
    pagemap.lastPfn = Math.max(pagemap.lastPfn, pfn)
    return index
  }

  /** A page turned out to belong to another pagemap. */
  move(from: number, to: number): void {
    this.list[from]!.pages--
    this.list[to]!.pages++
  }

  markDevice(index: number): void {
    this.list[index]!.device = true
    this.anyDevice = true
  }

  /** Reads the rule off what was seen so far. */
  decide(index: number): void {
    const pagemap = this.list[index]!
    pagemap.rule = pagemap.ruleForced ? PAGE_RULES[this.#forced!][forcedType(pagemap)] : observedRule(pagemap)
    pagemap.limits = pagemap.rule ? limitsOf(pagemap.rule) : UNKNOWN_LIMITS
    pagemap.closesAt = closesAt(pagemap.rule)
  }

  /** Whether the core may set a page's count back to 1: no protocol has that for memory of these types. */
  mayReset(index: number): boolean {
    const { type } = this.list[index]!
    return type !== 'FS_DAX' && type !== 'GENERIC'
  }

  /** A pagemap that the first look saw as well follows its rule from the start. */
  #takeHint(index: number): void {
    const pagemap = this.list[index]!
    const hint = this.#hints?.list.findLast(
      other =>
        other.initialised === pagemap.initialised &&
        pagemap.firstPfn >= other.firstPfn &&
        pagemap.firstPfn <= other.lastPfn,
    )
    if (hint) {
      pagemap.device = hint.device
      pagemap.type = hint.type
      pagemap.rule = hint.rule
      pagemap.limits = hint.limits
      pagemap.closesAt = hint.closesAt
    } else {
      this.decide(index)
    }
  }

  #add(pfn: number): number {
    if (this.list.length >= MAX_PAGEMAPS) return MAX_PAGEMAPS - 1
    this.list.push({
      firstPfn: pfn,
      lastPfn: pfn,
      pages: 0,
      initialised: false,
      initialCount: undefined,
      device: false,
      type: undefined,
      votes: { setAtZero: 0, getAtZero: 0, daxFault: 0, returnedOne: 0, coreReset: 0, teardown: 0, frozen: 0 },
      idleMapcounts: new Map(),
      limits: UNKNOWN_LIMITS,
      closesAt: 0,
      rule: undefined,
      ruleForced: this.#forced !== undefined,
      lives: 0,
    })
    return this.list.length - 1
  }
}

function forcedType(pagemap: Pagemap): PageType {
  return pagemap.type === undefined || pagemap.type === 'PRIVATE or COHERENT' ? 'PRIVATE' : pagemap.type
}

function closesAt(rule: PageRule | undefined): number {
  return rule?.coreResets ? NEVER_CLOSES : (rule?.idle ?? 0)
}

function limitsOf(rule: PageRule): Limits {
  if (rule.idle === 0) return { getFrom: rule.handOut === 'get' ? 0 : 1, putTo: 0, setOn: 0 }
  return { getFrom: 1, putTo: rule.coreResets ? 0 : 1, setOn: 0 }
}

function observedRule(pagemap: Pagemap): PageRule | undefined {
  const { votes, initialCount } = pagemap
  const idle = initialCount ?? idleByBehaviour(votes)
  if (idle === undefined) return undefined
  if (idle === 1) {
    return {
      idle,
      handOut: votes.coreReset > 0 ? 'none' : 'get',
      coreResets: votes.coreReset > 0,
      teardownPuts: votes.teardown > 0,
    }
  }
  const bySet = votes.setAtZero * 4 >= votes.getAtZero && votes.setAtZero > 0 && votes.daxFault === 0
  const byGet = !bySet && (votes.daxFault > 0 || votes.getAtZero >= ENOUGH || votes.setAtZero === 0)
  return { idle, handOut: byGet ? 'get' : 'set', coreResets: false, teardownPuts: false }
}

function idleByBehaviour(votes: Votes): 0 | 1 | undefined {
  const zero = votes.setAtZero + votes.getAtZero
  const one = votes.returnedOne + votes.coreReset
  if (zero === 0 && one === 0) return undefined
  return one > zero ? 1 : 0
}

/** Protocols whose rule for that type agrees with what was seen, and how it was seen, in words. */
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

/** The protocol that a release shipped: only a tie between protocols that look alike is broken by it. */
function byRelease(kernel: string | undefined): ProtocolId | undefined {
  const match = /^(\d+)\.(\d+)/.exec(kernel ?? '')
  if (!match) return undefined
  const release = Number(match[1]) * 1000 + Number(match[2])
  if (release < 5018) return 'A'
  if (release < 6001) return 'D'
  if (release < 6015) return 'E'
  return release < 6019 ? 'F' : 'G'
}

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The hot loop of the tracker: what src/ledger/track/tracker.ts does with an ordinary event, in AssemblyScript. It decides first
 * whether an event is ordinary, and changes nothing before it knows: all others are left to the tracker (`slow`). Both work on the
 * same columns, so each event leaves them alike, whoever took it in. test/ledger/hot-loop.test.ts holds that.
 */
import {
  AT_CHUNK_BASE,
  AT_CHUNK_KEY,
  AT_CHUNK_ROWS,
  AT_COUNT,
  AT_CPU,
  AT_CPU_PID,
  AT_CPU_TIME,
  AT_FLAGS,
  AT_KIND_HIGH,
  AT_KIND_LIFETIMES,
  AT_KIND_LOW,
  AT_KIND_SLOTS,
  AT_LOG_BEFORE,
  AT_LOG_EVENTS,
  AT_LOG_KIND,
  AT_LOG_ROW,
  AT_LOG_STATE,
  AT_LOG_TAIL,
  AT_MAPCOUNT,
  AT_NODES,
  AT_OP,
  AT_ORDER,
  AT_PAGE_ASIDE,
  AT_PAGE_BEFORE,
  AT_PAGE_BITS,
  AT_PAGE_COUNT,
  AT_PAGE_EPOCH,
  AT_PAGE_EVENTS,
  AT_PAGE_HASH_HIGH,
  AT_PAGE_HASH_LOW,
  AT_PAGE_HEAD,
  AT_PAGE_LAST_CLOSED,
  AT_PAGE_LAST_MAPCOUNT,
  AT_PAGE_LAST_PID,
  AT_PAGE_LAST_SIGNATURE,
  AT_PAGE_PAGEMAP,
  AT_PAGE_PFN,
  AT_PAGE_TAIL,
  AT_PAGE_TAIL_MAPCOUNT,
  AT_PAGEMAPS,
  AT_PFN,
  AT_PID,
  AT_RET,
  AT_SIGNATURE_TICKS,
  AT_SITE_KEY,
  AT_SITE_TRAITS,
  AT_STACK,
  AT_TASK_ELSEWHERE,
  AT_TASK_KEY,
  AT_TASK_LAST,
  AT_TASK_LAST_OWN,
  AT_TASK_LAST_STACK,
  AT_TASK_PAGE,
  AT_TASK_ROW,
  AT_TASK_TICKS,
  AT_TIME,
  AT_VAL,
  AT_WEIGHT_HIGH,
  AT_WEIGHT_LOW,
  BIT_COUNT_KNOWN,
  BIT_OPEN,
  BIT_SKIPPED,
  BITS_EXTRAORDINARY,
  BITS_OF_LIFETIME,
  BITS_UNCLAIMABLE,
  CHUNK,
  DOUBLE_INTERRUPT,
  DOUBLE_NEXT_EDGE,
  DOUBLE_RUN_PFN,
  DOUBLE_SNAPSHOT_AT,
  DOUBLE_SWEEP_PFN,
  INIT_GAP,
  INITIALISED,
  INT_ALL_PAGES,
  INT_ANY_DEVICE,
  INT_ANY_PROBES,
  INT_CHUNK_SLOTS,
  INT_COMPLETE,
  INT_CPUS,
  INT_EPOCH,
  INT_HAS_ENDINGS,
  INT_IS_COARSE,
  INT_KIND_SLOT_COUNT,
  INT_LOG_ALL_EVENTS,
  INT_LOG_LENGTH,
  INT_NEW_EVENTS,
  INT_NEW_SKIPPED,
  INT_NODE_END,
  INT_NODE_FREE,
  INT_NODE_NEXT,
  INT_OPEN_GAPS,
  INT_ORDINAL,
  INT_PAGE_ROWS,
  INT_PAGES,
  INT_RAW_MAPCOUNT,
  INT_RUN_PAGEMAP,
  INT_RUN_PID,
  INT_SIGNATURES,
  INT_SITES,
  INT_SWEEP_PID,
  INT_TASK_SLOTS,
  INT_WEIGHTS,
  LONG_LIFETIME,
  MAPCOUNT_SAMPLE,
  MAPPED,
  MAX_EVENTS,
  MAX_LIFETIMES,
  NO_LIFETIME,
  NO_PAIR,
  NODE_BEFORE,
  NODE_COUNT,
  NODE_CPU_AND_OP,
  NODE_DELTA,
  NODE_INTS,
  NODE_MAPCOUNT,
  NODE_ORDINAL,
  NODE_PID,
  NODE_RET,
  NODE_SIGNATURE,
  NODE_SINCE,
  NODE_STACK,
  NODE_TASK_SEQ,
  NODE_TIME,
  NODE_VAL,
  OFTEN,
  OP_SHIFT,
  PAGE_FLAGS,
  PAGEMAP_CLOSES_AT,
  PAGEMAP_GET_FROM,
  PAGEMAP_INTS,
  PAGEMAP_LIVES,
  PAGEMAP_PAGES,
  PAGEMAP_PUT_TO,
  PAGEMAP_RULE,
  PAGEMAP_SET_AT_ZERO,
  RULE_CLOSES,
  RULE_DEVICE,
  RULE_IDLE_ONE,
  RULE_KNOWN,
  RULE_SET,
  RULE_TYPED,
  RULE_ZEROED,
  TRAIT_DEVICE,
  TRAIT_FAULT,
  TRAIT_INIT,
  TRAIT_INIT_DEVICE,
  TRAIT_INTERRUPT,
  TRAIT_NAMELESS,
  TRAIT_TEARDOWN,
  TRAIT_TYPE,
} from '../src/ledger/track/hot-layout'

/** Operations, as in src/trace/events.ts. */
const SET = 0
const MOD_AND_TEST = 2
const MOD_AND_RETURN = 3
const MOD_UNLESS = 4

/** Factors of the hashes, as in the tables that they are of. */
const GOLDEN: i32 = <i32>0x9e3779b1
const HIGH_HALF: i32 = <i32>0x85ebca6b

/** The tracker takes in an event. Returns false if the loop cannot go on. Afterwards the columns may be elsewhere. */
declare function slow(i: i32): bool
/** A get in a page fault, for `FaultRetries`. */
declare function faulted(i: i32, row: i32, signature: i32): void
/** A lifetime that closes, for what keeps lists of some open ones. */
declare function ended(row: i32): void
/** The map count of an idle page, one of many. */
declare function sampled(row: i32): void

/** Takes in the events from place `from` of the batch's order on, and returns the place before which it stopped: at most `to`. */
export function run(from: i32, to: i32): i32 {
  for (let k = from; k < to; k++) {
    const i = u32At(AT_ORDER, k)
    if (!take(i) && !slow(i)) return k + 1
  }
  return to
}

function u32At(column: usize, i: i32): i32 {
  return load<i32>(load<usize>(column) + ((<usize>i) << 2))
}

function setAt(column: usize, i: i32, value: i32): void {
  store<i32>(load<usize>(column) + ((<usize>i) << 2), value)
}

function f64At(column: usize, i: i32): f64 {
  return load<f64>(load<usize>(column) + ((<usize>i) << 3))
}

function setF64At(column: usize, i: i32, value: f64): void {
  store<f64>(load<usize>(column) + ((<usize>i) << 3), value)
}

function count(place: usize): void {
  store<i32>(place, load<i32>(place) + 1)
}

/** Takes in an event. Returns false if the tracker has to, before anything was changed. */
function take(i: i32): bool {
  const time = f64At(AT_TIME, i)
  const op = <i32>load<u8>(load<usize>(AT_OP) + i)
  const cpu = <i32>load<u16>(load<usize>(AT_CPU) + ((<usize>i) << 1))
  if (op > MOD_UNLESS || cpu >= load<i32>(INT_CPUS)) return false
  if (time > load<f64>(DOUBLE_SNAPSHOT_AT) || time >= load<f64>(DOUBLE_NEXT_EDGE)) return false
  const row = find(f64At(AT_PFN, i))
  const stack = u32At(AT_STACK, i)
  const isKnown = stack === 0 || (<u32>stack < <u32>load<i32>(INT_SITES) && u32At(AT_SITE_KEY, stack) !== 0)
  if (op === MOD_UNLESS && u32At(AT_RET, i) === 0) return takeRefused(i, row, isKnown, cpu, time)
  if (!isKnown) return false
  const traits = traitsOf(stack)
  if (op === SET && u32At(AT_MAPCOUNT, i) < 0 && load<i32>(INT_RAW_MAPCOUNT) === 0) return false
  if (op === SET && isInitialisation(i, row, stack, traits)) return initialise(i, row, stack, traits, cpu, time)
  if (row < 0) return false
  if (!isDevice(row)) {
    if ((traits & TRAIT_DEVICE) !== 0 || op === SET) return false
    if (areOrdinaryLeftOut()) {
      store<u16>(bitsOf(row), load<u16>(bitsOf(row)) | BIT_SKIPPED)
      count(INT_NEW_SKIPPED)
      stamp(i, cpu, time)
      return true
    }
  }
  return apply(i, row, op, stack, traits, cpu, time)
}

/** True if a set initialises its page, which may be new: see `PageInit.isInitialisation`. */
function isInitialisation(i: i32, row: i32, stack: i32, traits: i32): bool {
  if (isTelling(stack, traits)) return (traits & TRAIT_INIT) !== 0
  const val = u32At(AT_VAL, i)
  if (row >= 0 && (<i32>load<u16>(bitsOf(row)) & BIT_COUNT_KNOWN) !== 0) {
    const isFresh = u32At(AT_PAGE_COUNT, row) === 1 && (<i32>load<u16>(bitsOf(row)) & BIT_OPEN) === 0
    return val === 0 && isFresh && isSetUpBy(row, u32At(AT_PID, i))
  }
  const unmapped = load<i32>(INT_RAW_MAPCOUNT) !== 0 ? 0 : 1
  return val === 1 && u32At(AT_MAPCOUNT, i) === unmapped && (u32At(AT_FLAGS, i) & PAGE_FLAGS) === 0
}

/** True if functions on the stack have names. */
function isTelling(stack: i32, traits: i32): bool {
  return stack !== 0 && (traits & TRAIT_NAMELESS) === 0
}

/** True if this task initialised the page, and there was no event of it since. */
function isSetUpBy(row: i32, pid: i32): bool {
  if ((<i32>load<u16>(bitsOf(row)) & BIT_COUNT_KNOWN) === 0) return false
  return u32At(AT_PAGE_LAST_SIGNATURE, row) === INITIALISED && u32At(AT_PAGE_LAST_PID, row) === pid
}

/** Takes in a set that initialises a page of device memory, if it tells nothing new of its pagemap: see `PageInit.initialise`. */
function initialise(i: i32, known: i32, stack: i32, traits: i32, cpu: i32, time: f64): bool {
  if (load<i32>(INT_ANY_PROBES) !== 0) return false
  const isSecond = known >= 0 && u32At(AT_VAL, i) === 0 && isSetUpBy(known, u32At(AT_PID, i))
  if (isSecond ? !isZeroed(pagemapOf(known)) : !isNextOfRun(i, known, stack, traits)) return false
  const row = isSecond ? known : setUp(i, known)
  if (row < 0) return false
  count(INT_NEW_EVENTS)
  stamp(i, cpu, time)
  setAt(AT_PAGE_COUNT, row, u32At(AT_VAL, i))
  setAt(AT_PAGE_EPOCH, row, load<i32>(INT_EPOCH))
  setAt(AT_PAGE_LAST_SIGNATURE, row, INITIALISED)
  setAt(AT_PAGE_LAST_PID, row, u32At(AT_PID, i))
  setAt(AT_PAGE_LAST_MAPCOUNT, row, u32At(AT_MAPCOUNT, i))
  return true
}

/** True if the idle pages of a pagemap are known to have 0, so that a set to 0 is no news. */
function isZeroed(pagemap: usize): bool {
  return (load<i32>(pagemap + PAGEMAP_RULE * 4) & RULE_ZEROED) !== 0
}

/** True if a page is the next of the pagemap that is being initialised, and that is known to be device memory. */
function isNextOfRun(i: i32, known: i32, stack: i32, traits: i32): bool {
  const run = load<i32>(INT_RUN_PAGEMAP)
  if (run < 0 || load<i32>(INT_RUN_PID) !== u32At(AT_PID, i) || load<i32>(INT_ANY_DEVICE) === 0) return false
  const step = f64At(AT_PFN, i) - load<f64>(DOUBLE_RUN_PFN)
  if (!(step >= 0 && step <= INIT_GAP)) return false
  const pagemap = pagemapAt(run)
  const rule = load<i32>(pagemap + PAGEMAP_RULE * 4)
  if ((rule & RULE_DEVICE) === 0 || ((traits & TRAIT_TYPE) !== 0 && (rule & RULE_TYPED) === 0)) return false
  if (isTelling(stack, traits) && (traits & TRAIT_INIT_DEVICE) === 0) return false
  if (u32At(AT_VAL, i) === 0 && !isZeroed(pagemap)) return false
  return known < 0 || ((<i32>load<u16>(bitsOf(known)) & BIT_OPEN) === 0 && load<i32>(INT_IS_COARSE) === 0)
}

/** Makes a page one of the pagemap that is being initialised. Returns its row; -1 if there is no room for a new one. */
function setUp(i: i32, known: i32): i32 {
  const run = load<i32>(INT_RUN_PAGEMAP)
  const pfn = f64At(AT_PFN, i)
  const row = known >= 0 ? known : addPage(pfn)
  if (row < 0) return -1
  if (known >= 0) store<i32>(pagemapOf(row) + PAGEMAP_PAGES * 4, load<i32>(pagemapOf(row) + PAGEMAP_PAGES * 4) - 1)
  setAt(AT_PAGE_PAGEMAP, row, run)
  count(pagemapAt(run) + PAGEMAP_PAGES * 4)
  store<u16>(bitsOf(row), BIT_COUNT_KNOWN)
  store<f64>(DOUBLE_RUN_PFN, pfn)
  return row
}

/** Adds a page, and returns its row; -1 if the tracker has to: see `PageTable.add`. */
function addPage(pfn: f64): i32 {
  const row = load<i32>(INT_PAGES)
  const chunk = chunkOf(pfn)
  // The page was looked for just now.
  if (chunk !== lastChunk || row === load<i32>(INT_PAGE_ROWS)) return -1
  store<i32>(INT_PAGES, row + 1)
  setAt(AT_CHUNK_ROWS, lastBase + <i32>(pfn - chunk * CHUNK), row)
  setF64At(AT_PAGE_PFN, row, pfn)
  setAt(AT_PAGE_HEAD, row, -1)
  setAt(AT_PAGE_TAIL, row, -1)
  setAt(AT_PAGE_LAST_CLOSED, row, NO_LIFETIME)
  setAt(AT_PAGE_ASIDE, row, NO_PAIR)
  return row
}

/** Takes in a get that was refused: it changed nothing. Of a page in use, the tracker has to look at it. */
function takeRefused(i: i32, row: i32, isKnown: bool, cpu: i32, time: f64): bool {
  if (row >= 0) {
    const isOther = !isDevice(row)
    if (isOther && (!isKnown || (traitsOf(u32At(AT_STACK, i)) & TRAIT_DEVICE) !== 0)) return false
    if (isOther && areOrdinaryLeftOut()) {
      count(INT_NEW_SKIPPED)
      stamp(i, cpu, time)
      return true
    }
    if (u32At(AT_PAGE_COUNT, row) > 0) return false
  }
  count(INT_NEW_EVENTS)
  stamp(i, cpu, time)
  return true
}

/** Notes the last stamp of a CPU, and whose it was. */
function stamp(i: i32, cpu: i32, time: f64): void {
  setF64At(AT_CPU_TIME, cpu, time)
  setAt(AT_CPU_PID, cpu, u32At(AT_PID, i))
}

/** Returns the traits of a stack whose call site is known. */
function traitsOf(stack: i32): i32 {
  return stack === 0 ? 0 : <i32>load<u16>(load<usize>(AT_SITE_TRAITS) + ((<usize>stack) << 1))
}

function bitsOf(row: i32): usize {
  return load<usize>(AT_PAGE_BITS) + ((<usize>row) << 1)
}

/** Address of what is known of a page's pagemap. */
function pagemapOf(row: i32): usize {
  return pagemapAt(u32At(AT_PAGE_PAGEMAP, row))
}

function pagemapAt(index: i32): usize {
  return load<usize>(AT_PAGEMAPS) + <usize>index * (PAGEMAP_INTS * 4)
}

function isDevice(row: i32): bool {
  return (load<i32>(pagemapOf(row) + PAGEMAP_RULE * 4) & RULE_DEVICE) !== 0
}

function areOrdinaryLeftOut(): bool {
  return load<i32>(INT_ANY_DEVICE) !== 0 && load<i32>(INT_ALL_PAGES) === 0
}

/** Returns the place of a whole number, from 0 to 2^53, in a `NumberIndex`; -1 if it has none. */
function placeOf(keys: usize, places: usize, slots: usize, key: f64): i32 {
  const mask = load<i32>(slots) - 1
  const whole = <u64>key
  const mixed = (<i32>whole ^ (<i32>(whole >> 32) * HIGH_HALF)) * GOLDEN
  let slot = (mixed ^ <i32>(<u32>mixed >> 15)) & mask
  let place = u32At(places, slot)
  while (place >= 0 && f64At(keys, slot) !== key) {
    slot = (slot + 1) & mask
    place = u32At(places, slot)
  }
  return place
}

/** Returns the chunk of a pfn; -1 if that is no whole number that a table may have. */
function chunkOf(pfn: f64): f64 {
  const chunk = Math.floor(pfn / CHUNK)
  return chunk >= 0 && chunk < 9007199254740992 ? chunk : -1
}

/** The chunk that was found last, and where its rows begin. */
let lastChunk: f64 = -1
let lastBase: i32 = 0

/** Returns the row of a pfn, -1 if it has none. */
function find(pfn: f64): i32 {
  const chunk = chunkOf(pfn)
  if (chunk < 0) return -1
  if (chunk !== lastChunk) {
    const base = placeOf(AT_CHUNK_KEY, AT_CHUNK_BASE, INT_CHUNK_SLOTS, chunk)
    if (base < 0) return -1
    lastChunk = chunk
    lastBase = base
  }
  return u32At(AT_CHUNK_ROWS, lastBase + <i32>(pfn - chunk * CHUNK))
}

/** The task that was found last. */
let lastPid: i32 = 0
let lastTask: i32 = -1

/** Returns the row of a task, -1 if it has none. */
function findTask(pid: i32): i32 {
  if (pid !== lastPid || lastTask < 0) {
    lastPid = pid
    lastTask = placeOf(AT_TASK_KEY, AT_TASK_ROW, INT_TASK_SLOTS, <f64>(<u32>pid))
  }
  return lastTask
}

/** Returns the kind of lifetimes of a hash, -1 if it is new. */
function findKind(low: i32, high: i32): i32 {
  const mask = load<i32>(INT_KIND_SLOT_COUNT) - 1
  let slot = (low ^ (high * GOLDEN)) & mask
  let kind = u32At(AT_KIND_SLOTS, slot)
  while (kind >= 0 && (u32At(AT_KIND_LOW, kind) !== low || u32At(AT_KIND_HIGH, kind) !== high)) {
    slot = (slot + 1) & mask
    kind = u32At(AT_KIND_SLOTS, slot)
  }
  return kind
}

/**
 * True if a set hands out an idle page as its rule says, and this was seen often before, or undoes a hand-out. Others may be
 * initialisations.
 */
function isHandOut(rule: i32, pagemap: usize, bits: i32, present: i32, val: i32, traits: i32): bool {
  if ((rule & RULE_SET) === 0 || load<i32>(pagemap + PAGEMAP_SET_AT_ZERO * 4) < OFTEN || (traits & TRAIT_INIT) !== 0)
    return false
  return val === 0 ? present === 1 && (bits & BIT_OPEN) !== 0 : val > 0 && present === 0
}

/** True if the rule and the operation's own result allow a get or put at the present count, and it is no news about the rule. */
function isPlain(pagemap: usize, op: i32, present: i32, next: i64, val: i32, ret: i32): bool {
  if (op === MOD_AND_TEST && (ret !== 0) !== (next === 0)) return false
  if (op === MOD_AND_RETURN && next !== <i64>ret) return false
  if (val > 0) return present > 0 && present >= load<i32>(pagemap + PAGEMAP_GET_FROM * 4)
  const least = load<i32>(pagemap + PAGEMAP_PUT_TO * 4)
  return val < 0 && next >= <i64>least && (next > 0 || least === 0)
}

/** True if a put of one reference, of a page that is idle at 1, may be that of memunmap_pages(): see `UnmapSweep`. */
function mayBeBasePut(i: i32, traits: i32): bool {
  if (isTelling(u32At(AT_STACK, i), traits)) return (traits & TRAIT_TEARDOWN) !== 0
  return load<i32>(INT_SWEEP_PID) === u32At(AT_PID, i) && load<f64>(DOUBLE_SWEEP_PFN) + 1 === f64At(AT_PFN, i)
}

/** True if the page is tracked, nothing about it is out of the ordinary, and no event of it can have been lost. */
function isFollowed(row: i32, bits: i32): bool {
  if ((bits & (BITS_EXTRAORDINARY | BIT_COUNT_KNOWN)) !== BIT_COUNT_KNOWN) return false
  return u32At(AT_PAGE_EPOCH, row) === load<i32>(INT_EPOCH) && load<i32>(INT_OPEN_GAPS) === 0
}

/** True if an event can be applied at the present count without a closer look. */
function isOrdinary(i: i32, op: i32, pagemap: usize, bits: i32, present: i32, next: i64, traits: i32): bool {
  const rule = load<i32>(pagemap + PAGEMAP_RULE * 4)
  if ((rule & RULE_KNOWN) === 0 || next !== <i64>(<i32>next)) return false
  if (u32At(AT_MAPCOUNT, i) < 0 && load<i32>(INT_RAW_MAPCOUNT) === 0) return false
  const val = u32At(AT_VAL, i)
  if (op === SET) return isHandOut(rule, pagemap, bits, present, val, traits)
  if (val === -1 && (rule & RULE_IDLE_ONE) !== 0 && mayBeBasePut(i, traits)) return false
  return isPlain(pagemap, op, present, next, val, u32At(AT_RET, i))
}

/** Applies an event to its page, if it is one that needs no closer look. */
function apply(i: i32, row: i32, op: i32, stack: i32, traits: i32, cpu: i32, time: f64): bool {
  const bits = <i32>load<u16>(bitsOf(row))
  if (!isFollowed(row, bits)) return false
  const pagemap = pagemapOf(row)
  const present = u32At(AT_PAGE_COUNT, row)
  const delta = op === SET ? u32At(AT_VAL, i) - present : u32At(AT_VAL, i)
  const next = <i64>present + <i64>delta
  if (!isOrdinary(i, op, pagemap, bits, present, next, traits)) return false
  const signature = stack === 0 ? op : u32At(AT_SITE_KEY, stack) - 1
  const key = signature * 2 + (delta < 0 ? 1 : 0)
  const task = findTask(u32At(AT_PID, i))
  if (task < 0 || signature >= load<i32>(INT_SIGNATURES) || key >= load<i32>(INT_WEIGHTS)) return false

  const isOpen = (bits & BIT_OPEN) !== 0
  const events = isOpen ? u32At(AT_PAGE_EVENTS, row) + 1 : 1
  const low = (isOpen ? u32At(AT_PAGE_HASH_LOW, row) : 0) + u32At(AT_WEIGHT_LOW, key) * delta
  const high = (isOpen ? u32At(AT_PAGE_HASH_HIGH, row) : 0) + u32At(AT_WEIGHT_HIGH, key) * delta
  const closes = closesAt(pagemap, <i32>next)
  let kind = -1
  if (closes) {
    if ((bits & BITS_UNCLAIMABLE) !== 0 || isLogFull()) return false
    kind = findKind(low, high)
    if (kind < 0) return false
  } else if (events % LONG_LIFETIME === 0) return false
  const node = takeNode()
  if (node < 0) return false

  // From here on the event is taken in.
  count(INT_NEW_EVENTS)
  if (op === SET && delta > 0) count(pagemap + PAGEMAP_SET_AT_ZERO * 4)
  if (!isOpen) openLifetime(row, bits, present)
  setNode(node, NODE_SIGNATURE, signature)
  setNodeTime(node, NODE_SINCE, stampAfter(u32At(AT_PID, i), cpu, task, time))
  setNode(node, NODE_TASK_SEQ, tick(task, time, stack, row, (traits & TRAIT_INTERRUPT) !== 0))
  setAt(AT_SIGNATURE_TICKS, signature, u32At(AT_SIGNATURE_TICKS, signature) + 1)
  append(node, i, row, op, cpu, delta)
  setAt(AT_PAGE_EVENTS, row, events)
  setAt(AT_PAGE_LAST_SIGNATURE, row, signature)
  setAt(AT_PAGE_HASH_LOW, row, low)
  setAt(AT_PAGE_HASH_HIGH, row, high)
  setAt(AT_PAGE_COUNT, row, <i32>next)
  if (delta > 0 && (traits & TRAIT_FAULT) !== 0) faulted(i, row, signature)
  if (closes) close(row, bits, pagemap, kind, node, events)
  return true
}

/** True if a lifetime ends at that count. */
function closesAt(pagemap: usize, next: i32): bool {
  return (
    (load<i32>(pagemap + PAGEMAP_RULE * 4) & RULE_CLOSES) !== 0 && next === load<i32>(pagemap + PAGEMAP_CLOSES_AT * 4)
  )
}

/** Opens a lifetime at the page's present count: see `Lifetimes.open`. */
function openLifetime(row: i32, bits: i32, present: i32): void {
  setAt(AT_PAGE_BEFORE, row, present)
  setAt(AT_PAGE_HEAD, row, -1)
  setAt(AT_PAGE_TAIL, row, -1)
  store<u16>(bitsOf(row), bits | BIT_OPEN)
}

function isLogFull(): bool {
  return load<i32>(INT_LOG_LENGTH) === MAX_LIFETIMES || load<i32>(INT_LOG_ALL_EVENTS) > MAX_EVENTS
}

/** Takes an unused node; returns -1 if the tracker has to look for some. */
function takeNode(): i32 {
  const free = load<i32>(INT_NODE_FREE)
  if (free >= 0) {
    store<i32>(INT_NODE_FREE, load<i32>(nodeAt(free) + NODE_BEFORE * 4))
    return free
  }
  const next = load<i32>(INT_NODE_NEXT)
  if (next >= load<i32>(INT_NODE_END)) return -1
  store<i32>(INT_NODE_NEXT, next + 1)
  return next
}

function nodeAt(node: i32): usize {
  return load<usize>(AT_NODES) + <usize>node * (NODE_INTS * 4)
}

function setNode(node: i32, field: i32, value: i32): void {
  store<i32>(nodeAt(node) + ((<usize>field) << 2), value)
}

function setNodeTime(node: i32, field: i32, value: f64): void {
  store<f64>(nodeAt(node) + ((<usize>field) << 3), value)
}

/** Appends an event to those of its page's lifetime, as `EventPool.add` and `Lifetimes.applyRow` do. */
function append(node: i32, i: i32, row: i32, op: i32, cpu: i32, delta: i32): void {
  const last = u32At(AT_PAGE_TAIL, row)
  const mapcount = u32At(AT_MAPCOUNT, i)
  const isLowered = last >= 0 && mapcount < u32At(AT_PAGE_TAIL_MAPCOUNT, row)
  if (last < 0) setAt(AT_PAGE_HEAD, row, node)
  else if (mapcount > u32At(AT_PAGE_TAIL_MAPCOUNT, row)) raised(last)
  setNodeTime(node, NODE_TIME, f64At(AT_TIME, i))
  setNode(node, NODE_BEFORE, last)
  setNode(node, NODE_STACK, u32At(AT_STACK, i))
  setNode(node, NODE_DELTA, delta)
  setNode(node, NODE_PID, u32At(AT_PID, i))
  setNode(node, NODE_CPU_AND_OP, cpu | (op << OP_SHIFT) | (delta < 0 && isLowered ? MAPPED : 0))
  setNode(node, NODE_VAL, u32At(AT_VAL, i))
  setNode(node, NODE_RET, u32At(AT_RET, i))
  setNode(node, NODE_MAPCOUNT, mapcount)
  setNode(node, NODE_COUNT, u32At(AT_COUNT, i))
  // The event was counted just now.
  setNode(node, NODE_ORDINAL, load<i32>(INT_ORDINAL) + load<i32>(INT_NEW_EVENTS))
  setAt(AT_PAGE_TAIL, row, node)
  setAt(AT_PAGE_LAST_PID, row, u32At(AT_PID, i))
  setAt(AT_PAGE_LAST_MAPCOUNT, row, mapcount)
  setAt(AT_PAGE_TAIL_MAPCOUNT, row, mapcount)
}

/** Notes that the map count rose after an event: if it was a get, its reference belongs to a page table. */
function raised(node: i32): void {
  if (load<i32>(nodeAt(node) + NODE_DELTA * 4) <= 0) return
  const flags = nodeAt(node) + NODE_CPU_AND_OP * 4
  store<i32>(flags, load<i32>(flags) | MAPPED)
}

/** Returns the time that an operation is known to have come after, and notes its stamp: see `CpuOrder.since`. */
function stampAfter(pid: i32, cpu: i32, task: i32, time: f64): f64 {
  const before = f64At(AT_CPU_TIME, cpu)
  const isBound = pid === 0 || u32At(AT_CPU_PID, cpu) === pid
  const since = isBound ? before : min<f64>(before, f64At(AT_TASK_LAST_OWN, task))
  setF64At(AT_CPU_TIME, cpu, time)
  setAt(AT_CPU_PID, cpu, pid)
  return min<f64>(since, time - load<f64>(DOUBLE_INTERRUPT))
}

/** Counts an event of a task, and returns its ordinal among those of the task: see `TaskActivity.tick`. */
function tick(task: i32, time: f64, stack: i32, page: i32, isInterrupt: bool): i32 {
  if (u32At(AT_TASK_PAGE, task) !== page) {
    setF64At(AT_TASK_ELSEWHERE, task, f64At(AT_TASK_LAST, task))
    setAt(AT_TASK_PAGE, task, page)
  }
  setF64At(AT_TASK_LAST, task, time)
  if (!isInterrupt) setF64At(AT_TASK_LAST_OWN, task, time)
  setAt(AT_TASK_LAST_STACK, task, stack)
  const ticks = u32At(AT_TASK_TICKS, task)
  setAt(AT_TASK_TICKS, task, ticks + 1)
  return ticks
}

/** Closes a complete lifetime of a known kind: see `Lifetimes.close`. */
function close(row: i32, bits: i32, pagemap: usize, kind: i32, tail: i32, events: i32): void {
  if (load<i32>(INT_HAS_ENDINGS) !== 0) ended(row)
  const complete = load<i32>(INT_COMPLETE) + 1
  store<i32>(INT_COMPLETE, complete)
  count(pagemap + PAGEMAP_LIVES * 4)
  if (complete % MAPCOUNT_SAMPLE === 0) sampled(row)
  setAt(AT_KIND_LIFETIMES, kind, u32At(AT_KIND_LIFETIMES, kind) + 1)
  const entry = load<i32>(INT_LOG_LENGTH)
  store<i32>(INT_LOG_LENGTH, entry + 1)
  store<i32>(INT_LOG_ALL_EVENTS, load<i32>(INT_LOG_ALL_EVENTS) + events)
  setAt(AT_LOG_ROW, entry, row)
  setAt(AT_LOG_KIND, entry, kind)
  // Complete is state 0 (`LifetimeState`).
  store<u8>(load<usize>(AT_LOG_STATE) + entry, 0)
  setAt(AT_LOG_TAIL, entry, tail)
  setAt(AT_LOG_EVENTS, entry, events)
  setAt(AT_LOG_BEFORE, entry, u32At(AT_PAGE_LAST_CLOSED, row))
  setAt(AT_PAGE_LAST_CLOSED, row, entry)
  setAt(AT_PAGE_HEAD, row, -1)
  setAt(AT_PAGE_TAIL, row, -1)
  store<u16>(bitsOf(row), bits & ~BITS_OF_LIFETIME)
}

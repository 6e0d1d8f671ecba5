// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Where things are in the memory that the tracker shares with its hot loop in WebAssembly. The loop's source, assembly/hot-loop.ts,
 * imports this file, too: it is both TypeScript and AssemblyScript.
 */

/** Pfns of a chunk of `PfnIndex`. */
export const CHUNK = 1024

/** Size of a node of `EventPool` in 32-bit integers, and the offsets of its fields: first those that are doubles (two integers each). */
export const NODE_INTS = 16
export const NODE_TIME = 0
export const NODE_SINCE = 1
export const NODE_BEFORE = 4
export const NODE_SIGNATURE = 5
export const NODE_STACK = 6
/** Change of the count: references taken (positive) or given back (negative). */
export const NODE_DELTA = 7
export const NODE_PID = 8
/** CPU in the lower half, the operation above it, `MAPPED` above that. */
export const NODE_CPU_AND_OP = 9
export const NODE_VAL = 10
export const NODE_RET = 11
export const NODE_MAPCOUNT = 12
export const NODE_COUNT = 13
export const NODE_TASK_SEQ = 14
export const NODE_ORDINAL = 15

export const OP_SHIFT = 16
/** The reference belongs to a page table (see `Reference.mapped`). */
export const MAPPED = 1 << 24

/** Bytes of the directory at the beginning of the memory. The loop's own constants would lie in its second half. */
export const DIRECTORY_BYTES = 65536

/** Places of the addresses of columns: of a batch, of pages, of the index of pfns, and of the other tables. */
export const AT_ORDER = 0
export const AT_TIME = 4
export const AT_PID = 8
export const AT_PFN = 12
export const AT_OP = 16
export const AT_VAL = 20
export const AT_RET = 24
export const AT_STACK = 28
export const AT_CPU = 32
export const AT_COUNT = 36
export const AT_MAPCOUNT = 40
export const AT_PAGE_COUNT = 44
export const AT_PAGE_BITS = 48
export const AT_PAGE_PAGEMAP = 52
export const AT_PAGE_EPOCH = 56
export const AT_PAGE_HEAD = 60
export const AT_PAGE_TAIL = 64
export const AT_PAGE_EVENTS = 68
export const AT_PAGE_BEFORE = 72
export const AT_PAGE_LAST_SIGNATURE = 76
export const AT_PAGE_LAST_PID = 80
export const AT_PAGE_LAST_MAPCOUNT = 84
export const AT_PAGE_TAIL_MAPCOUNT = 88
export const AT_PAGE_LAST_CLOSED = 92
export const AT_PAGE_HASH_LOW = 96
export const AT_PAGE_HASH_HIGH = 100
export const AT_CHUNK_KEY = 104
export const AT_CHUNK_BASE = 108
export const AT_CHUNK_ROWS = 112
export const AT_NODES = 116
export const AT_TASK_KEY = 120
export const AT_TASK_ROW = 124
export const AT_TASK_TICKS = 128
export const AT_TASK_LAST = 132
export const AT_TASK_LAST_OWN = 136
export const AT_TASK_LAST_STACK = 140
export const AT_TASK_PAGE = 144
export const AT_TASK_ELSEWHERE = 148
export const AT_SIGNATURE_TICKS = 152
export const AT_CPU_TIME = 156
export const AT_CPU_PID = 160
export const AT_SITE_KEY = 164
export const AT_SITE_TRAITS = 168
export const AT_PAGEMAPS = 172
export const AT_LOG_ROW = 176
export const AT_LOG_KIND = 180
export const AT_LOG_STATE = 184
export const AT_LOG_TAIL = 188
export const AT_LOG_EVENTS = 192
export const AT_LOG_BEFORE = 196
export const AT_KIND_SLOTS = 200
export const AT_KIND_LOW = 204
export const AT_KIND_HIGH = 208
export const AT_KIND_LIFETIMES = 212
export const AT_WEIGHT_LOW = 216
export const AT_WEIGHT_HIGH = 220
export const AT_FLAGS = 224
export const AT_PAGE_PFN = 228
export const AT_PAGE_ASIDE = 232

/** Places of integers: the lengths of columns, what other tables know now, and what the loop has counted. */
export const INT_CHUNK_SLOTS = 1024
export const INT_TASK_SLOTS = 1028
export const INT_SIGNATURES = 1032
export const INT_CPUS = 1036
export const INT_SITES = 1040
export const INT_KIND_SLOT_COUNT = 1044
export const INT_WEIGHTS = 1048
export const INT_NODE_FREE = 1052
export const INT_NODE_NEXT = 1056
export const INT_NODE_END = 1060
export const INT_LOG_LENGTH = 1064
export const INT_LOG_ALL_EVENTS = 1068
export const INT_EPOCH = 1072
export const INT_OPEN_GAPS = 1076
export const INT_ANY_DEVICE = 1080
export const INT_ALL_PAGES = 1084
export const INT_RAW_MAPCOUNT = 1088
export const INT_SWEEP_PID = 1092
export const INT_HAS_ENDINGS = 1096
export const INT_ORDINAL = 1100
export const INT_NEW_EVENTS = 1104
export const INT_NEW_SKIPPED = 1108
export const INT_COMPLETE = 1112
export const INT_PAGES = 1116
export const INT_PAGE_ROWS = 1120
export const INT_ANY_PROBES = 1124
export const INT_IS_COARSE = 1128
export const INT_RUN_PAGEMAP = 1132
export const INT_RUN_PID = 1136

/** Places of doubles. */
export const DOUBLE_SNAPSHOT_AT = 2048
export const DOUBLE_NEXT_EDGE = 2056
export const DOUBLE_INTERRUPT = 2064
export const DOUBLE_SWEEP_PFN = 2072
export const DOUBLE_RUN_PFN = 2080

/** Size in integers of what the loop knows of a pagemap, and the offsets of its fields. */
export const PAGEMAP_INTS = 8
/** A set of the bits below. */
export const PAGEMAP_RULE = 0
export const PAGEMAP_GET_FROM = 1
export const PAGEMAP_PUT_TO = 2
export const PAGEMAP_CLOSES_AT = 3
/** Numbers of hand-outs by a set and of complete lifetimes, which both the loop and the tracker count. */
export const PAGEMAP_SET_AT_ZERO = 4
export const PAGEMAP_LIVES = 5
/** The same of its pages. */
export const PAGEMAP_PAGES = 6

/**
 * The pagemap is device memory; its rule is known; pages are handed out by a set; idle pages have 1; lifetimes end at a count; its
 * initialisation is known to set pages to zero; the type of its pages is known.
 */
export const RULE_DEVICE = 1
export const RULE_KNOWN = 2
export const RULE_SET = 4
export const RULE_IDLE_ONE = 8
export const RULE_CLOSES = 16
export const RULE_ZEROED = 32
export const RULE_TYPED = 64

/** Bits of pages and traits of stacks that the loop has to know: those of `PageBit` and `StackTrait`. */
export const BIT_COUNT_KNOWN = 1
export const BIT_OPEN = 2
export const BIT_SKIPPED = 16384
export const BITS_EXTRAORDINARY = 48756
export const BITS_OF_LIFETIME = 138
export const BITS_UNCLAIMABLE = 648
export const TRAIT_INIT = 1
export const TRAIT_INIT_DEVICE = 2
export const TRAIT_TEARDOWN = 4
export const TRAIT_DEVICE = 8
export const TRAIT_NAMELESS = 256
export const TRAIT_FAULT = 512
export const TRAIT_INTERRUPT = 1024
export const TRAIT_TYPE = 8192

/** In place of a page's last call-site key: it was set up and nothing has happened since. */
export const INITIALISED = -2
/** In place of a page's last lifetime in the log, and of its last pair that was set aside: there is none. */
export const NO_LIFETIME = -1
export const NO_PAIR = -1

/** Mask of the page flags; above them stand zone, node and section. */
export const PAGE_FLAGS = 16777215

/**
 * Most pages that may lie between two initialised ones of a pagemap: of a compound page of 1 GB, only the head is initialised.
 */
export const INIT_GAP = 262144

/** Number of hand-outs of a pagemap after which one more is no news about its rule. */
export const OFTEN = 64

/** Number of events from which on a lifetime is compacted. */
export const LONG_LIFETIME = 64

/** The map count of an idle page is sampled in one of this many lifetimes. */
export const MAPCOUNT_SAMPLE = 16

/** Most lifetimes of the log, and most events of them. */
export const MAX_LIFETIMES = 1 << 15
export const MAX_EVENTS = 1 << 19

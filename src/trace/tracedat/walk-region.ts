// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The region of memory that the loop in WebAssembly (assembly/column-walk.ts) and its caller share: offsets in bytes, and what the
 * numbers mean. Both sides compile this file, so it contains constants only.
 */

/** Why the loop returned. */
export const DONE = 0
/** A `commit` word with more in it than a number of bytes that fits. `LIMIT` is the start of the records until it is corrected. */
export const COMMIT = 1
/** The record at `P` is no event. */
export const SKIP = 2
/** The event at `P` is `LENGTH` bytes, which is less than the common fields or more than what is left of its sub-buffer. */
export const MISFIT = 3
/** The next event, at `EVENT_TIME`, is the block's first, or the first after a gap. */
export const AHEAD = 4
/** The event at `P`, `LENGTH` bytes, is shorter than its format requires. */
export const SHORT = 5
/** The event at `P`, `LENGTH` bytes, is one that the caller reads. */
export const HANDED = 6
/** There is no room for another row. */
export const FULL = 7
/** The stack at `P`, `LENGTH` bytes, is not the one that was expected, or its event is not among the rows at hand. */
export const STACK = 8

/** Rows that there is room for. Not a power of two, or the columns would compete for the same lines of the cache. */
export const ROWS = 4080

/** Stacks that there is room for, by number, and the bytes of them. */
export const STACKS = 1 << 14
export const STACK_BYTES = 1 << 21
/** Maximum number of addresses of a stack, as in src/trace/common/stacks.ts. */
export const MAX_DEPTH = 1024

/** Offsets of 32-bit numbers that describe the recording. */
export const PAGE_SIZE = 0
export const COMMIT_OFFSET = 4
export const DATA_OFFSET = 8
export const BASE_LOW = 12
export const BASE_HIGH = 16
export const MINIMUM = 20
export const FLAGS_OFFSET = 24
export const PID_OFFSET = 28
export const TYPE_OFFSET = 32
export const CALLER_OFFSET = 36
/** Offset of a stack's number of addresses, or -1 if its stacks extend to the end of their records. */
export const COUNT_OFFSET = 40
/** log2 of the size of an address. */
export const LONG_SHIFT = 44

/** Offsets of the numbers that a call continues with. Addresses are those of the memory, rows those of the block. */
export const PAGE = 64
export const P = 68
export const LIMIT = 72
export const LENGTH = 76
/** Rows in the columns below, and the number of the block's rows before them. */
export const ROW = 80
export const FIRST_ROW = 84
export const EVENTS = 88
/** 1 if the next event is one to return for. */
export const IS_AHEAD = 92
/** Number of stacks in the list below, including number 0. */
export const STACK_COUNT = 96
/** The stack that was found last. */
export const LAST_STACK = 100
export const TIME = 104
export const LAST_TIME = 112
export const EVENT_TIME = 120
/** 1 if one of the rows has a stack. */
export const HAS_STACKS = 160
/** By level, the row that waits for its stack, and its pid. */
export const OPEN = 128
export const OPEN_PID = 144

/**
 * For each kind of page_ref event its `op`, the size of its records, and for each column after `time` an offset and a mask. The
 * mask is 0 for fields that the event does not have. 64-bit numbers have two of them.
 */
export const LAYOUTS = 256
export const LAYOUT_BYTES = 128
export const MAX_LAYOUTS = 32
export const FIELDS = 8

/** Stacks as they are in the file: by number, the stack that followed it last, and where it begins in the bytes that come next. */
export const SUCCESSORS = LAYOUTS + MAX_LAYOUTS * LAYOUT_BYTES
export const STARTS = SUCCESSORS + 4 * STACKS
export const STACK_WORDS = STARTS + 4 * STACKS + 4

/** By event id, what to do with the event: one of the numbers below, or `FIRST_LAYOUT` and more for a layout. */
export const KINDS = STACK_WORDS + STACK_BYTES + 4
export const KIND_STACK = 1
export const KIND_HANDED = 2
export const FIRST_LAYOUT = 3

/** The columns, in the order of src/trace/common/columns.ts. */
export const COLUMNS = KINDS + 65536
/** The first column of 32 bits. */
const WORDS = COLUMNS + 16 * ROWS
export const PID = WORDS
export const FLAGS_LOW = WORDS + 4 * ROWS
export const FLAGS_HIGH = WORDS + 8 * ROWS
export const COUNT = WORDS + 12 * ROWS
export const MAPCOUNT = WORDS + 16 * ROWS
export const MAPPING_LOW = WORDS + 20 * ROWS
export const MAPPING_HIGH = WORDS + 24 * ROWS
export const MT = WORDS + 28 * ROWS
export const VAL = WORDS + 32 * ROWS
export const RET = WORDS + 36 * ROWS
export const STACK_ID = WORDS + 40 * ROWS
/** After `cpu`, which the caller sets. */
export const OP = WORDS + 46 * ROWS
export const BYTES = OP + ROWS

/** No event of this level waits for its stack. */
export const CLOSED = -1

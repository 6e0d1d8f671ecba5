// SPDX-License-Identifier: GPL-2.0-or-later

const CHUNK = 1024

/** State bits of a page in the ledger. */
export const PageBit = {
  /** The count is known: initialised, or deduced from an event. */
  KNOWN: 1,
  /** A life is open. */
  OPEN: 2,
  /** Events wait for the true order to be settled. */
  PENDING: 4,
  /** Events of the open life may be lost: nothing is claimed about it. */
  LOSSY: 8,
  /** Something was found on this page: what follows is its consequence. */
  ACCUSED: 16,
  /** page_ref_freeze() took all references for a moment. */
  FROZEN: 32,
  /** memunmap_pages() took the page's base reference: idle is 0 from now on. */
  UNMAPPED: 64,
  /** The open life began before the recording, or its page's count was first read in its middle. */
  HEADLESS: 128,
  /** The count was read from an event that may have included others: nothing is claimed until it is confirmed. */
  DOUBT: 512,
  /** The page was taken up a moment ago: stamps may still come of operations that its count includes. */
  SETTLING: 1024,
  /** Handed out by a set since something was found on the page. */
  HANDED_OUT: 256,
  /** A probe says that the page was given back to its driver, and nobody took a reference since it was handed out. */
  FREED: 2048,
  /** memunmap_pages() of its pagemap is entered; it has returned. */
  KILLED: 4096,
  GONE: 8192,
} as const

/** Pages by pfn, as columns. Rows are handed out in order of first appearance and never move. */
export class PageTable {
  length = 0
  pfn = new Float64Array(CHUNK)
  count = new Int32Array(CHUNK)
  bits = new Uint16Array(CHUNK)
  /** Time at which the count was last read off an event instead of followed. */
  takenUp = new Float64Array(CHUNK)
  /** Index of the page's pagemap. */
  pagemap = new Int32Array(CHUNK)
  /** Gap edges that had passed at the page's last event. */
  epoch = new Int32Array(CHUNK)
  /** First and last node of the open life, and their number. */
  head = new Int32Array(CHUNK)
  tail = new Int32Array(CHUNK)
  events = new Int32Array(CHUNK)
  /** Count taken by page_ref_freeze(), to be given back. */
  frozen = new Int32Array(CHUNK)
  /** Count before the open life's first event. */
  before = new Int32Array(CHUNK)
  /** Signature, task and map count of the page's last event. */
  lastSignature = new Int32Array(CHUNK)
  lastPid = new Int32Array(CHUNK)
  lastMapcount = new Int32Array(CHUNK)
  /** Events in a row that confirmed a doubtful count. */
  confirmed = new Int32Array(CHUNK)
  /** Entry of the page's last closed lifetime in the log, -1 for none. */
  lastLife = new Int32Array(CHUNK)
  /** Hash of the open lifetime's units, see `LifetimeCounts`. */
  hashLow = new Int32Array(CHUNK)
  hashHigh = new Int32Array(CHUNK)

  readonly #chunks = new Map<number, number>()
  /** Row of pfn by place in its chunk, -1 for none. */
  #rows = new Int32Array(CHUNK * 16).fill(-1)
  #used = 0
  #lastChunk = -1
  #lastBase = 0

  /** Row of a pfn, -1 if it was never added. */
  find(pfn: number): number {
    const chunk = Math.floor(pfn / CHUNK)
    if (chunk !== this.#lastChunk) {
      const base = this.#chunks.get(chunk)
      if (base === undefined) return -1
      this.#lastChunk = chunk
      this.#lastBase = base
    }
    return this.#rows[this.#lastBase + (pfn - chunk * CHUNK)]!
  }

  /** Adds a pfn that `find` does not know, and returns its row. */
  add(pfn: number, pagemap: number, epoch: number): number {
    if (this.length === this.pfn.length) this.#growColumns()
    const row = this.length++
    const place = this.#place(pfn)
    this.#rows[place] = row
    this.pfn[row] = pfn
    this.pagemap[row] = pagemap
    this.epoch[row] = epoch
    this.head[row] = this.tail[row] = -1
    this.lastLife[row] = -1
    return row
  }

  #place(pfn: number): number {
    const chunk = Math.floor(pfn / CHUNK)
    let base = this.#chunks.get(chunk)
    if (base === undefined) {
      if (this.#used + CHUNK > this.#rows.length) {
        const rows = new Int32Array(this.#rows.length * 2).fill(-1)
        rows.set(this.#rows)
        this.#rows = rows
      }
      base = this.#used
      this.#used += CHUNK
      this.#chunks.set(chunk, base)
    }
    return base + (pfn - chunk * CHUNK)
  }

  #growColumns(): void {
    const size = this.pfn.length * 2
    const pfn = new Float64Array(size)
    pfn.set(this.pfn)
    this.pfn = pfn
    const takenUp = new Float64Array(size)
    takenUp.set(this.takenUp)
    this.takenUp = takenUp
    const bits = new Uint16Array(size)
    bits.set(this.bits)
    this.bits = bits
    for (const name of INT_COLUMNS) {
      const column = new Int32Array(size)
      column.set(this[name])
      this[name] = column
    }
  }
}

const INT_COLUMNS = [
  'count',
  'pagemap',
  'epoch',
  'head',
  'tail',
  'events',
  'frozen',
  'before',
  'lastSignature',
  'lastPid',
  'lastMapcount',
  'lastLife',
  'confirmed',
  'hashLow',
  'hashHigh',
] as const

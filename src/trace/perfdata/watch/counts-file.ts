// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Reads counts of pages that were taken from the running machine: `counts.txt` of `lastput record`, a list of pages written by
 * hand, or the output of `lastput core --live --json`.
 */

type Counts = Map<number, number>

const LINE = /^0x([0-9a-f]{1,13})[ \t]+(-?\d{1,10})(?:[ \t]+(before|after) turn (\d{1,9}))?$/i
const EMPTY = /^\s*(?:#.*)?$/

/** Name of the file that `lastput record` writes, and its maximum size: four lines for each turn. */
export const COUNTS_NAME = 'counts.txt'
export const MAX_COUNTS = 1 << 24

/** Returns the turn that a recording belongs to, from the name of its file or directory. */
export function turnOf(name: string): number {
  return Number(/(?:^|[/\\])perf-(\d{1,9})\.data(?![^/\\.])/.exec(name)?.[1] ?? 1)
}

export class CountsFile {
  /** Number of the first line without a valid count; 0 if there is none. */
  readonly wrongLine: number
  /** Number of pages with a known count. */
  readonly size: number
  readonly #counts = new Map<string, Counts>()

  constructor(text: string) {
    const json = text.trimStart().startsWith('{')
    this.wrongLine = json ? this.#addJson(text) : this.#addLines(text)
    this.size = new Set([...this.#counts.values()].flatMap(counts => [...counts.keys()])).size
  }

  /** Counts at the beginning of a turn. */
  before(turn: number): ReadonlyMap<number, number> {
    return new Map([...(this.#counts.get('') ?? []), ...(this.#counts.get(`before ${turn}`) ?? [])])
  }

  /** Counts at the end of a turn. */
  after(turn: number): ReadonlyMap<number, number> {
    return this.#counts.get(`after ${turn}`) ?? new Map()
  }

  #addLines(text: string): number {
    let wrong = 0
    for (const [i, line] of text.split(/\r?\n/).entries()) {
      const [, pfn, count, when, turn] = LINE.exec(line.trimEnd()) ?? []
      if (pfn !== undefined)
        this.#add(when === undefined ? '' : `${when.toLowerCase()} ${Number(turn)}`, pfn, Number(count))
      else if (!EMPTY.test(line)) wrong ||= i + 1
    }
    return wrong
  }

  /**
   * Adds JSON: one document about one page, or one line per page. Returns the number of the first invalid line; 0 if there is
   * none.
   */
  #addJson(text: string): number {
    const whole = this.#addPage(text)
    if (whole) return 0
    let wrong = 0
    for (const [i, line] of text.split(/\r?\n/).entries())
      if (!EMPTY.test(line) && !this.#addPage(line)) wrong ||= i + 1
    return wrong
  }

  /** Adds what a JSON text says about a page. Returns false if it is not about a page. */
  #addPage(text: string): boolean {
    let said: { pfn?: unknown; count?: unknown; page?: { pfn?: unknown; count?: unknown } }
    try {
      said = JSON.parse(text) as typeof said
    } catch {
      return false
    }
    const { pfn, count } = typeof said.page === 'object' && said.page !== null ? said.page : said
    const digits = typeof pfn === 'string' ? /^0x([0-9a-f]{1,13})$/.exec(pfn) : null
    if (!digits || !Number.isInteger(count)) return false
    this.#add('', digits[1]!, count as number)
    return true
  }

  #add(when: string, pfn: string, count: number): void {
    const counts: Counts = this.#counts.get(when) ?? new Map()
    counts.set(Number.parseInt(pfn, 16), count)
    this.#counts.set(when, counts)
  }
}

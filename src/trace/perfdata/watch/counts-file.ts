// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Counts of pages that somebody read off the machine: the `counts.txt` that `lastput record` writes beside what it watched, a list of
 * pages by hand, or what `lastput core --live --json` says of pages.
 */

type Counts = Map<number, number>

const LINE = /^0x([0-9a-f]{1,13})[ \t]+(-?\d{1,10})(?:[ \t]+(before|after) turn (\d{1,9}))?$/i
const EMPTY = /^\s*(?:#.*)?$/

/** The name that `lastput record` gives it, and the size that it has at most: four lines for each turn. */
export const COUNTS_NAME = 'counts.txt'
export const MAX_COUNTS = 1 << 24

/** The turn that a recording is of, by the name of its file or directory. */
export function turnOf(name: string): number {
  return Number(/(?:^|[/\\])perf-(\d{1,9})\.data(?![^/\\.])/.exec(name)?.[1] ?? 1)
}

export class CountsFile {
  /** Number of the first line that says no count; 0: none. */
  readonly wrongLine: number
  /** Pages of which a count is known. */
  readonly size: number
  readonly #counts = new Map<string, Counts>()

  constructor(text: string) {
    const json = text.trimStart().startsWith('{')
    this.wrongLine = json ? this.#addJson(text) : this.#addLines(text)
    this.size = new Set([...this.#counts.values()].flatMap(counts => [...counts.keys()])).size
  }

  /** Counts when the watching of a turn began. */
  before(turn: number): ReadonlyMap<number, number> {
    return new Map([...(this.#counts.get('') ?? []), ...(this.#counts.get(`before ${turn}`) ?? [])])
  }

  /** Counts when it was over. */
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

  /** One document about a page, or a line for each page. */
  #addJson(text: string): number {
    const whole = this.#addPage(text)
    if (whole) return 0
    let wrong = 0
    for (const [i, line] of text.split(/\r?\n/).entries())
      if (!EMPTY.test(line) && !this.#addPage(line)) wrong ||= i + 1
    return wrong
  }

  /** Adds what JSON says of a page; false if it says nothing of one. */
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

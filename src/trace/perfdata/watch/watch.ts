// SPDX-License-Identifier: GPL-2.0-or-later
/** The context that samples of watched counts need: the kernel's code, and the pages that are watched. */
import type { SymbolTable } from '../../common/symbols.ts'
import { type Damage, type EventBatch, type OpenOptions, TraceError, type WatchedCounts } from '../../events.ts'
import type { PerfAttr, PerfInfo } from '../header.ts'
import { ChangeReader, type WatchedCount } from './changes.ts'
import { CountResolver } from './count-resolver.ts'
import { type KernelText, readKernelText } from './kernel-text.ts'
import { type StartCount, startCounts } from './start-counts.ts'
import { type WatchedPages, watchedPages } from './watched-pages.ts'
import { EM_AARCH64, EM_X86_64, WriteFinder } from './write-finder.ts'

const NO_CODE =
  "the kernel's code is not there, so that no change's amount is known: record with --kcore, and give the directory"

/** Maximum number of pages named in a note. */
const SHOWN = 4

/** An opened watch. */
export class Watch {
  readonly reader: ChangeReader
  readonly symbols: SymbolTable
  readonly #pages: WatchedPages
  readonly #given: ReadonlyMap<number, number>
  readonly #after: ReadonlyMap<number, number>
  readonly #notes: string[] = []
  #resolver: CountResolver | undefined
  #starts: ReadonlyMap<number, StartCount> = new Map()

  private constructor(
    pages: WatchedPages,
    text: KernelText | undefined,
    symbols: SymbolTable,
    given: ReadonlyMap<number, number>,
    after: ReadonlyMap<number, number>,
  ) {
    this.#pages = pages
    this.#given = given
    this.#after = after
    this.symbols = symbols
    const isRead = text?.machine === EM_X86_64 || text?.machine === EM_AARCH64
    this.reader = new ChangeReader(text && isRead ? new WriteFinder(text, symbols) : undefined)
    this.#notes.push(...pages.notes)
    if (!text) this.#notes.push(NO_CODE)
    else if (!isRead)
      this.#notes.push("the kernel's code is of a machine whose instructions are not read: no change's amount is known")
    if (text && text.left > 0) this.#notes.push(`${text.left} parts of the kernel's code are cut off or too large`)
  }

  /** Loads the kernel's code, unless no page's count is watched. */
  static async open(
    attrs: readonly PerfAttr[],
    info: PerfInfo,
    { kcore, vmemmap, startCounts: given = new Map(), endCounts = new Map() }: OpenOptions,
    symbols: SymbolTable,
    damage: Damage[],
  ): Promise<Watch | undefined> {
    const pages = watchedPages(attrs, info, vmemmap, [...given.keys()])
    if (pages.pfns.length === 0) return undefined
    let text: KernelText | undefined
    try {
      text = kcore && (await readKernelText(kcore))
    } catch (error) {
      if (!(error instanceof TraceError)) throw error
      const { file, offset, expected } = error
      damage.push({ file, offset, expected })
    }
    return new Watch(pages, text, symbols, given, endCounts)
  }

  /** The watched count of an event, by the event's index in the header. */
  countOf(event: number): WatchedCount | undefined {
    return this.#pages.counts[event]
  }

  /** Deduces the counts at the start from a first reading of the samples. */
  async begin(batches: AsyncIterable<EventBatch>): Promise<void> {
    this.#starts = await startCounts(batches, this.#pages.pfns, this.#given)
    this.#resolver = new CountResolver(this.#starts)
  }

  /** Returns what the ledger should know beside the events. Valid after `begin`. */
  counts(): WatchedCounts {
    return { assumed: new Set(this.#assumed()), after: this.#after }
  }

  /** Pages whose count at the start could only be assumed. */
  #assumed(): number[] {
    return [...this.#starts].flatMap(([pfn, { isKnown }]) => (isKnown ? [] : [pfn]))
  }

  /** Converts rows to events. Before `begin`, rows are left unchanged. */
  resolve(batch: EventBatch): void {
    this.#resolver?.resolve(batch)
  }

  /** Notes for the reader of a report. Complete when all batches were resolved. */
  notes(): string[] {
    const { pfns } = this.#pages
    const assumed = this.#assumed()
    const what = either(pfns.length, 'the count of 1 page', n => `the counts of ${n} pages`)
    const notes = [`watched: ${what}, changes told by the instruction that made each`, ...this.#notes]
    if (assumed.length > 0)
      notes.push(
        either(
          assumed.length,
          `the count of ${pagesText(assumed)} at the start is not known: the least that fits is shown`,
          () => `the counts of ${pagesText(assumed)} at the start are not known: the least that fit are shown`,
        ),
      )
    if (this.#given.size > 0 && !pfns.some(pfn => this.#given.has(pfn)))
      notes.push('the counts given are of other pages: none of these was watched')
    for (const [pfn, { count }] of this.#starts) {
      const read = this.#given.get(pfn)
      if (read !== undefined && read !== count)
        notes.push(
          `page 0x${pfn.toString(16)} had ${read} when its count was read, and ${count} when its first change came`,
        )
    }
    return [...notes, ...(this.#resolver ? resolverNotes(this.#resolver) : [])]
  }
}

function resolverNotes({ unresolved, inferred, refused, reordered }: CountResolver): string[] {
  const notes: string[] = []
  const tell = (n: number, one: string, several: (n: number) => string) => {
    if (n > 0) notes.push(either(n, one, several))
  }
  tell(
    refused,
    '1 sample is of a compare and exchange that found another count and changed nothing',
    n => `${n} samples are of a compare and exchange that found another count and changed nothing`,
  )
  tell(
    inferred,
    '1 change is known from the counts around it, not from its instruction',
    n => `${n} changes are known from the counts around them, not from their instructions`,
  )
  tell(
    reordered,
    '1 sample was stamped behind later changes, as counts show, and is told before these',
    n => `${n} samples were stamped behind later changes, as counts show, and are told before these`,
  )
  const pages = pagesText([...unresolved.keys()])
  tell(
    [...unresolved.values()].reduce((sum, count) => sum + count, 0),
    `the amount of 1 change of ${pages} is not known: it is left out, and nothing rests on the counts around it`,
    n =>
      `the amounts of ${n} changes of ${pages} are not known: they are left out, and nothing rests on the counts around`,
  )
  return notes
}

function either(n: number, one: string, several: (n: number) => string): string {
  return n === 1 ? one : several(n)
}

function pagesText(pfns: readonly number[]): string {
  const shown = pfns.slice(0, SHOWN).map(pfn => `0x${pfn.toString(16)}`)
  const more = pfns.length > SHOWN ? ` and ${pfns.length - SHOWN} more` : ''
  return `${pfns.length === 1 ? 'page' : 'pages'} ${shown.join(', ')}${more}`
}

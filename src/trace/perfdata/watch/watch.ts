// SPDX-License-Identifier: GPL-2.0-or-later
/** What a recording of watched counts needs beside its samples: the kernel's code, and the pages that are watched. */
import type { SymbolTable } from '../../common/symbols.ts'
import { type Damage, type EventBatch, type OpenOptions, TraceError } from '../../events.ts'
import type { PerfAttr, PerfInfo } from '../header.ts'
import { ChangeReader, type WatchedCount } from './changes.ts'
import { CountResolver } from './count-resolver.ts'
import { type KernelText, readKernelText } from './kernel-text.ts'
import { type StartCount, startCounts } from './start-counts.ts'
import { type WatchedPages, watchedPages } from './watched-pages.ts'
import { EM_AARCH64, EM_X86_64, WriteFinder } from './write-finder.ts'

const NO_CODE =
  "the kernel's code is not there, so that no change's amount is known: record with --kcore, and give the directory"

/** Pages named in a note. */
const SHOWN = 4

/** An opened watch. */
export class Watch {
  readonly reader: ChangeReader
  readonly symbols: SymbolTable
  readonly #pages: WatchedPages
  readonly #given: ReadonlyMap<number, number>
  readonly #notes: string[] = []
  #resolver: CountResolver | undefined
  #starts: ReadonlyMap<number, StartCount> = new Map()

  private constructor(
    pages: WatchedPages,
    text: KernelText | undefined,
    symbols: SymbolTable,
    given: ReadonlyMap<number, number>,
  ) {
    this.#pages = pages
    this.#given = given
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
    { kcore, vmemmap, startCounts: given = new Map() }: OpenOptions,
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
    return new Watch(pages, text, symbols, given)
  }

  /** The watched count of an event, by its place in the header. */
  countOf(event: number): WatchedCount | undefined {
    return this.#pages.counts[event]
  }

  /** Deduces the counts at the start from a first reading of the samples. */
  async begin(batches: AsyncIterable<EventBatch>): Promise<void> {
    this.#starts = await startCounts(batches, this.#pages.pfns, this.#given)
    this.#resolver = new CountResolver(this.#starts)
  }

  /** Makes events of rows; before `begin` they stay as they are. */
  resolve(batch: EventBatch): void {
    this.#resolver?.resolve(batch)
  }

  /** What a reader should know; complete when all batches were resolved. */
  notes(): string[] {
    const resolver = this.#resolver
    const assumed = [...this.#starts].filter(([, { isKnown }]) => !isKnown)
    return [
      `watched: the counts of ${this.#pages.pfns.length} pages, changes told by the instruction that made each`,
      ...this.#notes,
      ...(assumed.length > 0
        ? [
            `the count of ${pagesText(assumed.map(([pfn]) => pfn))} at the start is not known: the least that fits is shown`,
          ]
        : []),
      ...(resolver ? resolverNotes(resolver) : []),
    ]
  }
}

function resolverNotes({ unresolved, inferred, refused, reordered }: CountResolver): string[] {
  const notes: string[] = []
  if (refused > 0)
    notes.push(`${refused} samples are of a compare and exchange that found another count and changed nothing`)
  if (inferred > 0) notes.push(`${inferred} changes are known from the counts around them, not from their instruction`)
  if (reordered > 0)
    notes.push(`${reordered} samples were stamped behind later changes, as counts show, and are told before these`)
  const left = [...unresolved.values()].reduce((sum, count) => sum + count, 0)
  if (left > 0)
    notes.push(
      `${left} changes of ${pagesText([...unresolved.keys()])} are by how much nobody knows: they are left out, and nothing rests on the counts around them`,
    )
  return notes
}

function pagesText(pfns: readonly number[]): string {
  const shown = pfns.slice(0, SHOWN).map(pfn => `0x${pfn.toString(16)}`)
  return `page ${shown.join(', ')}${pfns.length > SHOWN ? ` and ${pfns.length - SHOWN} more` : ''}`
}

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Exports a recording as a Perfetto trace. Pagemaps and pages are tracks. Lifetimes are slices on their page's track, with the
 * holders of references as slices below. Counts are counters, and findings are instant events. Field numbers are those of
 * Perfetto's published schema (protos/perfetto/trace: trace_packet.proto, track_event/track_event.proto, track_descriptor.proto,
 * debug_annotation.proto).
 */
import { PbfWriter } from 'pbf'
import type { Actor, Finding } from '../ledger/index.ts'
import type { LifetimeEvent } from '../ledger/track/lifetime-event.ts'
import { certaintyText } from '../report/finding-words.ts'
import { pfnText, rangeText } from '../report/words.ts'
import { OP_NAMES } from '../trace/events.ts'
import type { HeldReferences, KeptRecording, Lifetime } from './kept-recording.ts'
import { frameText, taskText } from './who.ts'

const TRACE = { packet: 1 }
const PACKET = { timestamp: 8, sequence: 10, trackEvent: 11, trackDescriptor: 60 }
const TRACK = { uuid: 1, name: 2, parent: 5, counter: 8 }
const EVENT = { annotation: 4, type: 9, track: 11, category: 22, name: 23, counterValue: 30 }
const ANNOTATION = { int: 4, text: 6, name: 10 }
const Type = { SLICE_BEGIN: 1, SLICE_END: 2, INSTANT: 3, COUNTER: 4 }

/** Id of the packet sequence. All packets belong to one. */
const SEQUENCE = 1

/** Number of bytes collected before they are written. */
const FLUSH = 1 << 20

/** Maximum number of rows for simultaneous holders of a page. Further holders are not drawn. */
const MOST_LANES = 256

type Annotations = Record<string, string | number | undefined>

interface Mark {
  type: number
  track: number
  time: number
  name?: string
  category?: string
  value?: number
  notes?: Annotations
}

/**
 * Writes a recording as a Perfetto trace.
 *
 * @param write receives the bytes in order, about a megabyte at a time
 * @returns sentences about what could not be included
 */
export function writePerfetto(kept: KeptRecording, write: (bytes: Uint8Array) => void): string[] {
  const out = new PacketWriter(kept, write)
  const { pagemaps, findings } = kept.account
  const roots = pagemaps.map(map => {
    const range = rangeText({ first: map.firstPfn, last: map.lastPfn })
    return out.track(`pagemap ${range}${map.type ? ` ${map.type}` : ''}`)
  })
  const byPage = new Map<number, Finding[]>()
  for (const finding of findings) byPage.set(finding.pfn, [...(byPage.get(finding.pfn) ?? []), finding])
  let undrawn = 0
  kept.pfns.forEach((pfn, page) => {
    undrawn += writePage(kept, out, page, roots[kept.pagemapOf(page)], byPage.get(pfn) ?? [])
  })
  out.flush()
  return undrawn > 0 ? [`${undrawn} references are not drawn: a page has room for ${MOST_LANES} holders at a time`] : []
}

/** Writes the tracks of a page. Returns the number of references that had no row. */
function writePage(
  kept: KeptRecording,
  out: PacketWriter,
  page: number,
  parent: number | undefined,
  findings: readonly Finding[],
): number {
  const pfn = pfnText(kept.pfns[page]!)
  const track = out.track(pfn, { parent })
  const lanes = new Lanes(out, track)
  for (const lifetime of kept.lifetimes(page)) {
    const { began, ended, references, peak } = lifetime
    const first = began ?? kept.account.firstTime
    const notes = { references: references.length, 'highest count': peak }
    out.mark({ type: Type.SLICE_BEGIN, track, time: first, name: lifeName(lifetime), category: 'lifetime', notes })
    for (const reference of references) writeReference(kept, out, lanes, reference, { first, ended })
    if (ended !== undefined) out.mark({ type: Type.SLICE_END, track, time: ended })
  }
  const counter = out.track('count', { parent: track, isCounter: true })
  for (const { time, count } of kept.counts(page)) out.mark({ type: Type.COUNTER, track: counter, time, value: count })
  for (const finding of findings) out.mark(findingMark(finding, track))
  return lanes.refused
}

function lifeName({ began, ended }: Lifetime): string {
  if (ended === undefined) return began === undefined ? 'held all the time' : 'held at the end'
  return began === undefined ? 'lifetime that began before' : 'lifetime'
}

/** Writes a reference. If nobody is known to take or to put it, it extends from the lifetime's beginning or to its end. */
function writeReference(
  kept: KeptRecording,
  out: PacketWriter,
  lanes: Lanes,
  { units, taken, given }: HeldReferences,
  { first, ended }: { first: number; ended: number | undefined },
): void {
  const from = taken?.time ?? first
  const to = given?.time ?? ended
  const track = lanes.take(from, to ?? Infinity)
  if (track === undefined) return
  const name = taken ? (frameText(kept.acting(taken.stack)[0]) ?? OP_NAMES[taken.op]!) : 'taken by nobody known'
  const notes = {
    references: units,
    ...actNotes(kept, 'taken', taken),
    ...actNotes(kept, 'given back', given),
    ...(given || to === undefined ? {} : { 'given back by': 'nobody known' }),
  }
  out.mark({ type: Type.SLICE_BEGIN, track, time: from, name, category: 'holder', notes })
  if (to !== undefined) out.mark({ type: Type.SLICE_END, track, time: to })
}

function actNotes(kept: KeptRecording, what: string, event: LifetimeEvent | undefined): Annotations {
  if (!event) return {}
  const stack = kept.acting(event.stack).map(frameText).join('\n')
  return {
    [`${what} by`]: taskText(kept.recording, event.pid),
    [`${what} on CPU`]: event.cpu,
    [`${what} at`]: stack === '' ? undefined : stack,
  }
}

function findingMark(
  { kind, pfn, certainty, culprit, culpritCertainty, evidence, ...finding }: Finding,
  track: number,
): Mark {
  const notes: Annotations = {
    page: pfnText(pfn),
    certainty,
    culprit: culprit && actorText(culprit),
    'certainty of the culprit': culpritCertainty,
    candidates: finding.candidates.map(({ actor }) => actorText(actor)).join('\n') || undefined,
    evidence: evidence.join('\n') || undefined,
  }
  return {
    type: Type.INSTANT,
    track,
    time: timeOf(finding, culprit),
    name: `${kind} (${certaintyText({ kind, certainty, culpritCertainty })})`,
    category: 'finding',
    notes,
  }
}

const timeOf = ({ life, history }: Pick<Finding, 'life' | 'history'>, culprit: Actor | undefined): number =>
  culprit?.time ?? history.at(-1)?.time ?? life.began ?? 0

const actorText = ({ frame, task, pid }: Actor): string =>
  [frameText(frame), `${task}-${pid}`].filter(Boolean).join(' ')

/** Rows for holders. Holders can overlap arbitrarily, but slices of one track must nest. */
class Lanes {
  refused = 0
  readonly #out: PacketWriter
  readonly #parent: number
  readonly #tracks: number[] = []
  /** By row, the time from which it is free. */
  readonly #free: number[] = []

  constructor(out: PacketWriter, parent: number) {
    this.#out = out
    this.#parent = parent
  }

  /** Returns the track of a row that is free in [from, to); undefined if there is none. */
  take(from: number, to: number): number | undefined {
    let lane = this.#free.findIndex(free => free <= from)
    if (lane < 0) {
      if (this.#free.length === MOST_LANES) {
        this.refused++
        return undefined
      }
      lane = this.#free.length
      // Perfetto merges tracks with the same name and parent visually into one.
      this.#tracks.push(this.#out.track('holders', { parent: this.#parent }))
    }
    this.#free[lane] = to
    return this.#tracks[lane]
  }
}

class PacketWriter {
  readonly #write: (bytes: Uint8Array) => void
  readonly #base: number
  #pbf = new PbfWriter()
  #tracks = 0

  constructor({ recording, account }: KeptRecording, write: (bytes: Uint8Array) => void) {
    this.#write = write
    const base = Number(recording.timeBase)
    // Absolute times that exceed what a double holds exactly are replaced by times since the first event.
    this.#base = Number.isSafeInteger(base + account.lastTime) && base >= 0 ? base : -Math.min(0, account.firstTime)
  }

  /** Writes a new track and returns its number. */
  track(name: string, { parent, isCounter }: { parent?: number | undefined; isCounter?: boolean } = {}): number {
    const uuid = ++this.#tracks
    this.#packet(packet => {
      packet.writeMessage(
        PACKET.trackDescriptor,
        (_, pbf) => {
          pbf.writeVarintField(TRACK.uuid, uuid)
          pbf.writeStringField(TRACK.name, name)
          if (parent !== undefined) pbf.writeVarintField(TRACK.parent, parent)
          if (isCounter) pbf.writeMessage(TRACK.counter, () => undefined, undefined)
        },
        undefined,
      )
    })
    return uuid
  }

  mark({ type, track, time, name, category, value, notes = {} }: Mark): void {
    this.#packet(packet => {
      packet.writeVarintField(PACKET.timestamp, this.#base + time)
      packet.writeMessage(
        PACKET.trackEvent,
        (_, pbf) => {
          pbf.writeVarintField(EVENT.type, type)
          pbf.writeVarintField(EVENT.track, track)
          if (category !== undefined) pbf.writeStringField(EVENT.category, category)
          if (name !== undefined) pbf.writeStringField(EVENT.name, name)
          if (value !== undefined) pbf.writeVarintField(EVENT.counterValue, value)
          for (const [key, note] of Object.entries(notes)) if (note !== undefined) annotate(pbf, key, note)
        },
        undefined,
      )
    })
  }

  flush(): void {
    if (this.#pbf.pos > 0) this.#write(this.#pbf.finish())
    this.#pbf = new PbfWriter()
  }

  #packet(fill: (packet: PbfWriter) => void): void {
    this.#pbf.writeMessage(
      TRACE.packet,
      (_, packet) => {
        packet.writeVarintField(PACKET.sequence, SEQUENCE)
        fill(packet)
      },
      undefined,
    )
    if (this.#pbf.pos >= FLUSH) this.flush()
  }
}

function annotate(pbf: PbfWriter, key: string, note: string | number): void {
  pbf.writeMessage(
    EVENT.annotation,
    (_, annotation) => {
      annotation.writeStringField(ANNOTATION.name, key)
      if (typeof note === 'number') annotation.writeVarintField(ANNOTATION.int, note)
      else annotation.writeStringField(ANNOTATION.text, note)
    },
    undefined,
  )
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Restores a copied text to the lines that ftrace wrote, by removing what surrounds them (framing.ts). */
import { decodeLatin1 } from '../../util/latin1.ts'
import { type Framing, isContinuation, isEventLine, learnFraming } from './framing.ts'
import { MAX_LINE_BYTES, type TextInput } from './lines.ts'
import { isPerfScript, PerfScript } from './perf-script.ts'

/** Maximum number of bytes from which the framing is learned. */
const SAMPLE_BYTES = 1 << 18

/** Number of chunks whose line offsets are kept, to find lines in the file. The reader is never further behind. */
const KEPT_CHUNKS = 8

const NEWLINE = 10
const CARRIAGE_RETURN = 13

export interface Unframed extends TextInput {
  /** What was changed in the lines, in words; empty if nothing was. */
  readonly notes: readonly string[]
  /** Returns the place in the file of a line of this text, and whether the line lacks the framing that the others have. */
  placeOf(offset: number): Place
}

export interface Place {
  offset: number
  isForeign: boolean
}

/** Examines the beginning of a text. A pipe is read only once, a file again from its start. */
export async function unframed(input: TextInput, keepsNames = false): Promise<Unframed> {
  const read = await readSample(input)
  const { whole } = read
  let { sample } = read
  const encoding = encodingOf(sample)
  const start = new TextDecoder(encoding).decode(sample.subarray(0, sample.length & ~1))
  const isCarriage = !sample.includes(NEWLINE) && sample.includes(CARRIAGE_RETURN)
  if (isCarriage) sample = withNewlines(sample)
  const how = learn((encoding === 'utf-8' ? decodeLatin1(sample) : start).split('\n'), keepsNames)
  const isBare = how.notes.length === 0 && !isCarriage && encoding === 'utf-8' && sample[0] !== 0xef
  const places = new Places()
  let isFirst = true
  return {
    name: input.name,
    size: input.size,
    notes: [...how.notes, ...(encoding === 'utf-8' ? [] : [`the text is ${encoding.toUpperCase()}`])],
    chunks() {
      const bytes = isFirst || input.size === undefined ? whole : input.chunks()
      const kept = isFirst ? places : new Places()
      isFirst = false
      if (isBare) return bytes
      const lines = isCarriage ? newlines(bytes) : bytes
      return mapped(encoding === 'utf-8' ? lines : recoded(lines, encoding), how, kept)
    },
    placeOf: offset => (isBare ? { offset, isForeign: false } : places.of(offset)),
  }
}

/** How to restore lines to those of ftrace. */
interface How {
  framing: Framing
  isQuoted: boolean
  isWrapped: boolean
  isPerf: boolean
  /** True if a blank line follows every line. */
  isSpaced: boolean
  notes: string[]
}

/** Percentage of blank lines from which on every line is taken to be followed by one. */
const SPACED = 40

function learn(sample: readonly string[], keepsNames: boolean): How {
  const isQuoted = sample.some(line => /\b(?:pfn|count|val)=3D/.test(line))
  const lines = isQuoted ? unquotedLines(sample) : sample
  const framing = learnFraming(lines, keepsNames)
  const inner = lines.map(line => framing.unframe(line).line)
  const isWrapped = inner.some((line, i) => i > 0 && isContinuation(line) && isEventLine(inner[i - 1]!))
  const isPerf = isPerfScript(inner)
  const blank = inner.filter(line => line.trim() === '').length
  const isSpaced = !isPerf && inner.length >= 8 && blank * 100 >= inner.length * SPACED
  const notes = [
    ...(framing.what.length > 0 ? [`taken off, since all lines have it: ${framing.what.join(', ')}`] : []),
    ...(isQuoted ? ['the encoding of a mail (quoted-printable) was undone'] : []),
    ...(isWrapped ? ['lines that had been broken were put together again'] : []),
    ...(isSpaced ? ['the blank line after each line was left out'] : []),
    ...(isPerf ? ['read as the text of perf script'] : []),
    ...(inner.some(isOfStrings) ? [OF_STRINGS] : []),
  ]
  return { framing, isQuoted, isWrapped, isPerf, isSpaced, notes }
}

/** What is said of text that is one string of a program, with its line ends written as "\\n". */
const OF_STRINGS =
  'the lines stand in strings, with "\\n" for their ends, and are not read: "jq -r \'.. | strings\' FILE" makes JSON text again'

function isOfStrings(line: string): boolean {
  return line.split('\\n').length > 2 && line.split('\\n').some(isEventLine)
}

function unquotedLines(lines: readonly string[]): string[] {
  return lines
    .join('\n')
    .replace(/=\r?\n/g, '')
    .split('\n')
    .map(unquoted)
}

/** Decodes a line of a quoted-printable mail, in which "=3D" stands for "=". */
function unquoted(line: string): string {
  return line.replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

type Emit = (line: string, place: Place) => void

/** Restores lines one by one. A line may have to wait for the next one. */
class LineMapper {
  readonly #how: How
  readonly #emit: Emit
  readonly #perf: PerfScript | undefined
  /** The beginning of a line with a soft line break (quoted-printable), and its offset. */
  #soft: { text: string; offset: number } | undefined
  #waiting: { text: string; place: Place } | undefined

  constructor(how: How, emit: Emit) {
    this.#how = how
    this.#emit = emit
    this.#perf = how.isPerf ? new PerfScript() : undefined
  }

  line(text: string, offset: number): void {
    if (!this.#how.isQuoted) {
      this.#whole(text, offset)
      return
    }
    const bare = text.replace(/\r$/, '')
    const start = this.#soft?.offset ?? offset
    const joined = (this.#soft?.text ?? '') + bare
    this.#soft = undefined
    if (joined.endsWith('=') && joined.length < MAX_LINE_BYTES)
      this.#soft = { text: joined.slice(0, -1), offset: start }
    else this.#whole(unquoted(joined), start)
  }

  end(): void {
    if (this.#soft) this.#whole(unquoted(this.#soft.text), this.#soft.offset)
    this.#soft = undefined
    this.#flush()
  }

  #whole(text: string, offset: number): void {
    const { framing, isWrapped, isSpaced } = this.#how
    if (isSpaced && text.trim() === '') return
    const { line, isFramed } = framing.unframe(text)
    const place = { offset, isForeign: framing.isFraming && !isFramed }
    if (!isWrapped) {
      this.#out(line, place)
      return
    }
    const before = this.#waiting
    if (before && isContinuation(line) && isEventLine(before.text) && before.text.length < MAX_LINE_BYTES) {
      before.text = `${before.text.trimEnd()} ${line.trim()}`
      return
    }
    this.#flush()
    this.#waiting = { text: line, place }
  }

  #flush(): void {
    if (this.#waiting) this.#out(this.#waiting.text, this.#waiting.place)
    this.#waiting = undefined
  }

  #out(line: string, place: Place): void {
    if (!this.#perf) this.#emit(line, place)
    else for (const each of this.#perf.lines(line)) this.#emit(each, place)
  }
}

/** Restores the lines of a stream. Each chunk of input yields one chunk of output. */
async function* mapped(bytes: AsyncIterable<Uint8Array>, how: How, places: Places): AsyncGenerator<Uint8Array> {
  let out: string[] = []
  const mapper = new LineMapper(how, (line, place) => {
    out.push(line)
    places.add(line.length + 1, place)
  })
  const take = (end: string) => {
    const chunk = latin1Bytes(out.length === 0 ? '' : out.join('\n') + end)
    out = []
    places.nextChunk()
    return chunk
  }
  let rest = ''
  let offset = 0
  let isStart = true
  for await (const chunk of bytes) {
    let text = rest + decodeLatin1(chunk)
    if (isStart && text.startsWith('\xef\xbb\xbf')) {
      text = text.slice(3)
      offset = 3
    }
    isStart = false
    let at = 0
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', at)) {
      mapper.line(text.slice(at, end), offset + at)
      at = end + 1
    }
    rest = text.slice(at)
    offset += at
    if (rest.length > MAX_LINE_BYTES) {
      mapper.line(rest, offset)
      offset += rest.length
      rest = ''
    }
    if (out.length > 0) yield take('\n')
  }
  if (rest !== '') mapper.line(rest, offset)
  mapper.end()
  // A last line without a newline is kept without one.
  if (out.length > 0) yield take(rest === '' ? '\n' : '')
}

function latin1Bytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i)
  return bytes
}

/** The offsets in the file of the lines of the last chunks. */
class Places {
  #chunks: { starts: number[]; places: Place[] }[] = [{ starts: [], places: [] }]
  #end = 0

  add(length: number, place: Place): void {
    const last = this.#chunks.at(-1)!
    last.starts.push(this.#end)
    last.places.push(place)
    this.#end += length
  }

  nextChunk(): void {
    this.#chunks.push({ starts: [], places: [] })
    if (this.#chunks.length > KEPT_CHUNKS) this.#chunks.shift()
  }

  of(offset: number): Place {
    const chunk = this.#chunks.findLast(({ starts }) => starts.length > 0 && starts[0]! <= offset)
    if (!chunk) return { offset, isForeign: false }
    let low = 0
    let high = chunk.starts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if (chunk.starts[middle]! <= offset) low = middle
      else high = middle - 1
    }
    return chunk.places[low]!
  }
}

/** Replaces carriage returns by newlines, in a text that has only the former. */
function withNewlines(bytes: Uint8Array): Uint8Array {
  return bytes.map(byte => (byte === CARRIAGE_RETURN ? NEWLINE : byte))
}

async function* newlines(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of bytes) yield withNewlines(chunk)
}

type Encoding = 'utf-8' | 'utf-16le' | 'utf-16be'

/** Determines the encoding from a text's first bytes: from a byte order mark, or from the zero bytes of letters. */
function encodingOf(start: Uint8Array): Encoding {
  const [a, b, c, d] = start
  if (a === 0xff && b === 0xfe) return 'utf-16le'
  if (a === 0xfe && b === 0xff) return 'utf-16be'
  if (b === 0 && d === 0 && a !== 0 && c !== 0 && start.length >= 4) return 'utf-16le'
  return a === 0 && c === 0 && b !== 0 && d !== 0 && start.length >= 4 ? 'utf-16be' : 'utf-8'
}

async function* recoded(bytes: AsyncIterable<Uint8Array>, encoding: Encoding): AsyncGenerator<Uint8Array> {
  const decoder = new TextDecoder(encoding)
  const encoder = new TextEncoder()
  for await (const chunk of bytes) yield encoder.encode(decoder.decode(chunk, { stream: true }))
}

/** Returns the first bytes of a text, and the whole text as it arrives. */
async function readSample(input: TextInput): Promise<{ sample: Uint8Array; whole: AsyncIterable<Uint8Array> }> {
  const iterator = input.chunks()[Symbol.asyncIterator]()
  const read: Uint8Array[] = []
  let length = 0
  while (length < SAMPLE_BYTES) {
    const next = await iterator.next()
    if (next.done) break
    read.push(next.value)
    length += next.value.length
  }
  const sample = new Uint8Array(Math.min(length, SAMPLE_BYTES))
  let at = 0
  for (const part of read) {
    sample.set(part.subarray(0, sample.length - at), at)
    at += Math.min(part.length, sample.length - at)
  }
  return { sample, whole: replayed(read, iterator) }
}

function replayed(read: readonly Uint8Array[], iterator: AsyncIterator<Uint8Array>): AsyncIterable<Uint8Array> {
  async function* all() {
    yield* read
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value
  }
  return {
    [Symbol.asyncIterator]() {
      const each = all()
      const stop = each.return.bind(each)
      // Closing the iterator closes the source, even if reading had not begun.
      each.return = async value => {
        await iterator.return?.()
        return stop(value)
      }
      return each
    },
  }
}

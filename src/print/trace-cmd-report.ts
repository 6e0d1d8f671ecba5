// SPDX-License-Identifier: GPL-2.0-or-later
/** Prints all events of a trace.dat file as `trace-cmd report` (3.1.6) does. */
import { type TickScale, toNs } from '../trace/common/clock.ts'
import { unpackerOf } from '../trace/common/compression.ts'
import {
  type CommonFields,
  commonFields,
  type EventFormat,
  findField,
  type RecordBytes,
} from '../trace/common/event-format.ts'
import { SymbolTable } from '../trace/common/symbols.ts'
import { TaskNames } from '../trace/common/tasks.ts'
import type { ByteSource, Damage } from '../trace/events.ts'
import type { TraceBuffer } from '../trace/tracedat/file.ts'
import { type RawEvent, rawEvents } from '../trace/tracedat/raw-records.ts'
import { addSymbols, TraceContents, type TraceDatOptions } from '../trace/tracedat/recording.ts'
import { compilePrinter, type PrintContext } from './printer.ts'

/**
 * Clocks whose times trace-cmd takes for nanoseconds and shows in seconds. They include uptime, although it counts 1/100 s, but
 * not boot. Only the clock of the file matters, even if a buffer has another.
 */
const NS_CLOCK = /^(local|global|uptime|perf|mono.*|tsc2nsec|tai)$/

/** Yields the text of `trace-cmd report FILE`, in chunks of whole lines. Damage is added to `damage` as it is found. */
export async function* reportText(
  source: ByteSource,
  damage: Damage[],
  options: TraceDatOptions = {},
): AsyncGenerator<string> {
  const contents = await TraceContents.open(source, damage, options)
  const { file } = contents
  await file.readSymbols()
  yield `cpus=${contents.cpuCount}\n`
  const common = file.formats[0] && commonFields(file.formats[0])
  if (!common) return
  const buffers = options.buffer === undefined ? file.buffers : [contents.buffer]
  const unpack = await unpackerOf(contents.compression, options.codecs)
  const lines = new Lines(contents, buffers, common)
  for await (const part of rawEvents(contents, buffers, common, unpack, event => lines.line(event))) {
    yield part.join('')
  }
}

/** Formats each event as one line, and a kernel stack as one line for each frame. */
class Lines {
  readonly #littleEndian: boolean
  readonly #common: CommonFields
  readonly #formats: Map<number, EventFormat>
  readonly #printers = new Map<number, (record: RecordBytes) => string>()
  readonly #context: PrintContext
  readonly #tasks = new TaskNames()
  /** Cached texts: of task and pid, by pid; of the number of a CPU, by CPU. */
  readonly #taskTexts = new Map<number, string>()
  readonly #cpuTexts: string[] = []
  readonly #prefixes: string[]
  readonly #time: (time: number) => string

  constructor(contents: TraceContents, buffers: TraceBuffer[], common: CommonFields) {
    const { file, options } = contents
    this.#littleEndian = file.littleEndian
    this.#common = common
    this.#formats = new Map(file.formats.map(format => [format.id, format]))
    this.#context = {
      littleEndian: file.littleEndian,
      longSize: contents.layout.longSize,
      symbols: addSymbols(new SymbolTable(), file, options),
      strings: printkStrings(file.printk),
    }
    this.#tasks.addSavedCmdlines(file.cmdlines)
    this.#prefixes = bufferPrefixes(buffers)
    const base = contents.timeBase + file.timeOffset
    if (file.tickScale) this.#time = scaledMicroseconds(contents.timeBase, file.tickScale, file.timeOffset)
    else this.#time = NS_CLOCK.test(file.clock) ? microseconds(base) : ticks(base)
  }

  line({ cpu, buffer, time, record, missed }: RawEvent): string {
    const id = this.#id(record)
    const format = this.#formats.get(id)
    const info = this.#printer(id, format)(record)
    const end = info.endsWith('\n') ? '' : '\n'
    const dropped = missed === undefined ? '' : droppedText(cpu, missed)
    if (!format) return `${this.#prefixes[buffer]}${dropped}${UNKNOWN}${UNKNOWN} (NULL):               ${info}${end}`
    const head = `${this.#task(record)} ${this.#cpu(cpu)}${this.#time(time)} ${format.name}: `
    return `${this.#prefixes[buffer]}${dropped}${head}${' '.repeat(Math.max(0, 20 - format.name.length))}${info}${end}`
  }

  #id({ view, at }: RecordBytes): number {
    const { offset, size } = this.#common.type
    if (size === 2) return view.getUint16(at + offset, this.#littleEndian)
    return size === 4 ? view.getUint32(at + offset, this.#littleEndian) : view.getUint8(at + offset)
  }

  #task({ view, at }: RecordBytes): string {
    const pid = view.getInt32(at + this.#common.pid.offset, this.#littleEndian)
    let text = this.#taskTexts.get(pid)
    if (text === undefined) {
      text = `${this.#tasks.name(pid).padStart(16)}-${String(pid).padEnd(5)}`
      this.#taskTexts.set(pid, text)
    }
    return text
  }

  #cpu(cpu: number): string {
    return (this.#cpuTexts[cpu] ??= `[${String(cpu).padStart(3, '0')}]`)
  }

  #printer(id: number, format: EventFormat | undefined): (record: RecordBytes) => string {
    let printer = this.#printers.get(id)
    if (!printer) {
      if (!format) printer = () => UNKNOWN
      else if (format.system === 'ftrace' && format.name === 'kernel_stack')
        printer = stackPrinter(format, this.#context)
      else printer = compilePrinter(format, this.#context)
      this.#printers.set(id, printer)
    }
    return printer
  }
}

const UNKNOWN = '[UNKNOWN EVENT]'

function droppedText(cpu: number, missed: number): string {
  return missed < 0 ? `CPU:${cpu} [EVENTS DROPPED]\n` : `CPU:${cpu} [${missed} EVENTS DROPPED]\n`
}

/** Returns the prefix of each buffer's lines; empty if there is only one buffer. */
function bufferPrefixes(buffers: TraceBuffer[]): string[] {
  if (buffers.length < 2) return buffers.map(() => '')
  const width = Math.max(...buffers.map(buffer => buffer.name.length))
  return buffers.map(({ name }) => (name === '' ? `${' '.repeat(width)}  ` : `${name.padStart(width)}: `))
}

/** Returns a function that formats times in nanoseconds as seconds, rounded to microseconds. */
function microseconds(base: bigint): (time: number) => string {
  const second = 1_000_000_000n
  const seconds = Number(base / second)
  const rest = Number(base % second)
  return time => {
    const micro = Math.floor((rest + time + 500) / 1000)
    const whole = Math.floor(micro / 1_000_000)
    return ` ${String(seconds + whole).padStart(5)}.${String(micro - whole * 1_000_000).padStart(6, '0')}:`
  }
}

/** Returns a function that formats ticks as seconds, by the scale in the file (TSC2NSEC) and rounded as in trace-cmd. */
function scaledMicroseconds(base: bigint, scale: TickScale, offset: bigint): (time: number) => string {
  return time => microseconds(toNs(base + BigInt(time), scale) + offset)(0)
}

function ticks(base: bigint): (time: number) => string {
  return time => `${String(base + BigInt(time)).padStart(12)}:`
}

/** Shows every frame of a stack on a line, up to the end of the record or an address of all ones. */
function stackPrinter(
  format: EventFormat,
  { littleEndian, longSize, symbols }: PrintContext,
): (record: RecordBytes) => string {
  const caller = findField(format, 'caller')
  const frames = new Map<bigint, string>()
  const frame = (address: bigint) => {
    let text = frames.get(address)
    if (text === undefined) {
      const symbol = symbols.findLikeTraceCmd(address)
      text = symbol ? `=> ${symbol.name} (${address.toString(16)})\n` : `=> ${address.toString(16)}\n`
      frames.set(address, text)
    }
    return text
  }
  return ({ view, at, length }) => {
    if (!caller) return '<CANT FIND FIELD caller>'
    let text = '<stack trace >\n'
    for (let offset = caller.offset; offset + longSize <= length; offset += longSize) {
      const low = view.getUint32(at + offset + (longSize === 8 && !littleEndian ? 4 : 0), littleEndian)
      if (low === 0xffffffff) break
      text += frame(longSize === 8 ? view.getBigUint64(at + offset, littleEndian) : BigInt(low))
    }
    return text
  }
}

/** Lines of tracefs `printk_formats`: an address and the string that stands there. */
function printkStrings(text: string): Map<bigint, string> {
  const strings = new Map<bigint, string>()
  for (const line of text.split('\n')) {
    const match = /^0x([0-9a-f]{1,16}) : "(.*)"$/i.exec(line)
    if (match) strings.set(BigInt(`0x${match[1]}`), match[2]!.replace(/\\n$/, ''))
  }
  return strings
}

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Recognises and removes what copied text has around its lines: marks of a quoted mail, timestamps of a kernel log or a journal,
 * file names and line numbers of grep, indentation, HTML entities, and colour codes of a terminal.
 *
 * The framing is learned from the first lines. It is accepted only if nearly all lines between two events have it, and the events
 * are valid without it. Lines are ISO 8859-1 text, with one character for each byte.
 */

import { decodeText } from '../common/bytes.ts'

/** Returns a line without a prefix or suffix; undefined if the line does not have it. */
type Strip = (line: string) => string | undefined

interface Layer {
  /** What was removed, in words, for the reader of a report. */
  what: string
  strip: Strip
}

/** What to remove from the lines of a text. */
export interface Framing {
  /** What is removed, in words; empty if nothing is. */
  what: string[]
  /** True if lines have a prefix or suffix. Then lines without it did not come from the trace. */
  isFraming: boolean
  /** Returns the line as ftrace wrote it, as far as possible. */
  unframe(line: string): { line: string; isFramed: boolean }
}

/**
 * Matches the head of an event: "NAME-PID [CPU] FLAGS TIME: NAME", and the variants of the latency format and of perf script. Runs
 * of blanks are bounded, so that a hostile line takes no longer than others of its length.
 */
const EVENT =
  /\S-\d{1,10}(?: {0,40}\( {0,8}[-\d]{1,10}\))?(?: {1,40}\[\d{2,9}\] {1,40}(?:\S{4,8} {1,40})?|\s{1,40}\d{1,9}[.\w#]{4,6} {1,40})\d{1,20}(?:\.\d{1,9})?(?:us[+!#*@$ ]?)? ?: {1,40}\S/
const PERF_EVENT =
  /\S {1,40}\d{1,10}(?:\/\d{1,10})? {1,40}\[\d{3,9}\] {1,40}(?:\S{4,5} {1,40})?\d{1,20}\.\d{6,9}: {1,40}\S/

export function isEventLine(line: string): boolean {
  return EVENT.test(line) || PERF_EVENT.test(line)
}

const KNOWN: readonly (readonly [what: string, pattern: RegExp])[] = [
  ['marks of quoting', /^(?:> ?)+(?!=)/],
  ['stamps of a journal', /^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)? \S+ [\w./-]+(?:\[\d+\])?: ?/],
  [
    'stamps of a journal',
    /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)? \S+ [\w./-]+(?:\[\d+\])?: ?/,
  ],
  ['stamps', /^\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z| ?[+-]\d\d:?\d\d)?\]?:? /],
  ['stamps', /^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)? /],
  ['stamps', /^\[?\d\d:\d\d:\d\d(?:[.,]\d+)?\]?:? /],
  ['stamps of a kernel log', /^(?:<\d+>)?\[ *\d+\.\d{3,9}\](?:\[ *[TC]\d+\])?(?: [TC]\d+:?)? ?/],
  ['stamps of a kernel log', /^\[[A-Z][a-z]{2} [A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d \d{4}\] ?/],
  ['levels of a kernel log', /^(?:kern|user|daemon|syslog) *: *[a-z]+ *: ?/],
  ['stamps', /^\d{10,16}(?:\.\d{1,9})?[: ] ?/],
  ['stamps', /^\[?\+\d{1,10}\.\d{1,9} ?s?\]?:? /],
  ['numbers of lines', /^\d+[:-]/],
  ['numbers of lines', /^\d+,(?=["'])/],
  ['numbers of lines', /^ *\d+(?:\t|: | \| ?| {2}(?= *\S))/],
  ['names of files', /^[^\s:]{1,255}?[:-](?=\d+[:-])/],
]

/** Matches a number and a separator that may also be part of a line. They are taken off if the numbers count the lines. */
const COUNTED = [/^ *(\d{1,9})[.)] /, /^ *(\d{1,9}) /]

/** Percentage of lines that must have a layer. */
const NEARLY_ALL = 90

/** Maximum number of nested layers. */
const MAX_LAYERS = 6

/**
 * Learns the framing of a text's lines from the first of them.
 *
 * @param keepsNames a common prefix may be the name of a trace buffer, which must be kept
 */
export function learnFraming(lines: readonly string[], keepsNames = false): Framing {
  const cleaning = learnCleaning(lines)
  const clean = (line: string) => cleaning.reduce((rest, { strip }) => strip(rest) ?? rest, line)
  const layers = learnLayers(between(lines.map(clean)), keepsNames)
  return {
    what: [...new Set([...cleaning, ...layers].map(({ what }) => what))],
    isFraming: layers.length > 0,
    unframe(line) {
      let rest = clean(line)
      let isFramed = layers.length > 0
      for (const { strip } of layers) {
        const inner = strip(rest)
        if (inner === undefined && rest.trim() !== '') isFramed = false
        rest = inner ?? rest
      }
      return { line: rest, isFramed }
    },
  }
}

const ENTITIES: Readonly<Record<string, string>> = {
  lt: '<',
  gt: '>',
  amp: '&',
  quot: '"',
  nbsp: ' ',
  '#39': "'",
  '#x27': "'",
  '#x3d': '=',
  '#61': '=',
  '#62': '>',
  '#60': '<',
  '#160': ' ',
}
const ENTITY = /&(lt|gt|amp|quot|nbsp|#39|#x27|#x3d|#61|#62|#60|#160);/gi
// biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal's colours begin with one
const ESCAPE = /\x1b(?:\[[0-9;?]*[ -/]*[@-~]|[\]_P^][^\x07\x1b]*(?:\x07|\x1b\\)|[()][0-9A-B])/g
/** What word processors make of "=>" and "...", in UTF-8. */
const ARROW = '\xe2\x87\x92'
const DOTS = '\xe2\x80\xa6'
/** The bytes of a no-break space in UTF-8, as inserted by web pages and word processors. */
const NO_BREAK = /\xc2\xa0/g

/** True if there are colour codes in the parts that ftrace writes. In a task's name they are part of the name. */
function isColoured(line: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal's colours begin with one
  const first = line.search(/\x1b[[\]_]/)
  const last = line.lastIndexOf('\x1b')
  if (first < 0) return false
  return line.slice(0, first).trim() === '' || /-\d{1,10} {1,40}\S|=>/.test(line.slice(0, last))
}

/** Learns what to replace anywhere in a line. */
function learnCleaning(lines: readonly string[]): Layer[] {
  const text = lines.join('\n')
  const found: Layer[] = []
  if (lines.some(isColoured)) found.push({ what: 'colours of a terminal', strip: line => line.replace(ESCAPE, '') })
  if (text.includes('\r')) found.push({ what: 'carriage returns', strip: line => line.replace(/\r/g, '') })
  if (text.includes('\xc2\xa0')) found.push({ what: 'no-break spaces', strip: line => line.replace(NO_BREAK, ' ') })
  if (text.includes(ARROW) && !text.includes('=>'))
    found.push({
      what: 'arrows of a word processor',
      strip: line => line.replaceAll(ARROW, '=>').replaceAll(DOTS, '...'),
    })
  if (/=&gt;|&lt;(?:stack|idle|\.\.\.)|&#x3d;&gt;/i.test(text))
    found.push({
      what: 'entities of a web page',
      strip: line =>
        line
          .replace(/<\/t[dh]>\s*<t[dh]\b[^<>]*>/gi, '\t')
          .replace(/<\/?(?:span|b|i|a|br|code|pre|p|div|t[dhr]|t?body|table)\b[^<>]*>/gi, '')
          .replace(ENTITY, (all, name: string) => ENTITIES[name.toLowerCase()] ?? all),
    })
  // Carriage returns only at the ends of lines are normal on some systems and not reported.
  return found.filter(({ what }) => what !== 'carriage returns' || /\r[^\n]/.test(text))
}

/** Number of lines from which layers are learned. */
const SAMPLE_LINES = 400

/** Returns the non-blank lines from the first event to the last one of the sample. */
function between(lines: readonly string[]): string[] {
  const first = lines.findIndex(isEventLine)
  if (first < 0) return []
  const sample = lines.slice(first, first + SAMPLE_LINES)
  // Continuations of lines that a mail program broke do not have the prefix.
  return sample
    .slice(0, sample.findLastIndex(isEventLine) + 1)
    .filter(line => line.trim() !== '' && !isContinuation(line))
}

/** Returns ISO 8859-1 characters as the UTF-8 text that they encode, quoted. */
function shown(latin1: string): string {
  return JSON.stringify(decodeText(Uint8Array.from(latin1, letter => letter.charCodeAt(0))))
}

/** True if a line begins with text that is at the start of a line only after a line break was inserted. */
export function isContinuation(line: string): boolean {
  return /^\s*(?:\w+=\S|page_ref_[a-z_]+: )/.test(line)
}

function commonEnd(a: string, b: string): string {
  let common = 0
  while (common < Math.min(a.length, b.length) && a[a.length - 1 - common] === b[b.length - 1 - common]) common++
  return a.slice(a.length - common)
}

/**
 * Finds a common suffix of all lines other than words and brackets, such as the right side of a box. If the lines began with a
 * quotation mark, it is all that follows the one at their end.
 *
 * @param quote the quotation mark; '' for none
 */
function endLayer(lines: readonly string[], quote: string): Layer[] {
  const [first = '', ...others] = lines.map(line => line.trimEnd())
  let end = others.reduce(commonEnd, first)
  let start = end.length
  if (quote !== '' && end.includes(quote)) {
    start = end.indexOf(quote)
    if (end.slice(0, start).endsWith('\\n')) start -= 2
  } else while (start > 0 && /[^\w)\]>"']/.test(end[start - 1]!)) start--
  end = end.slice(start)
  if (end.trim() === '') return []
  const strip = (line: string) => (line.trimEnd().endsWith(end) ? line.trimEnd().slice(0, -end.length) : undefined)
  return [{ what: shown(end.trim()), strip }]
}

function learnLayers(lines: readonly string[], keepsNames: boolean): Layer[] {
  const layers: Layer[] = []
  let rest = lines
  let quote = ''
  while (layers.length < MAX_LAYERS) {
    const layer =
      KNOWN.map(([what, pattern]) => patternLayer(what, pattern)).find(each => fits(each, rest)) ??
      COUNTED.filter(pattern => areCounted(rest, pattern))
        .map(pattern => patternLayer('numbers of lines', pattern))
        .find(each => fits(each, rest)) ??
      (keepsNames ? undefined : literalLayer(rest))
    if (!layer) break
    layers.push(layer)
    const inner = rest.map(line => layer.strip(line) ?? line)
    const mark = rest[0]!.at(rest[0]!.length - inner[0]!.length - 1)
    if (mark === '"' || mark === "'") quote = mark
    rest = inner
  }
  return [...layers, ...endLayer(rest, quote)]
}

function patternLayer(what: string, pattern: RegExp): Layer {
  return {
    what,
    strip(line) {
      const match = pattern.exec(line)
      return match ? line.slice(match[0].length) : undefined
    },
  }
}

/** True if nearly all lines begin with numbers, each one more than that of the line before. */
function areCounted(lines: readonly string[], pattern: RegExp): boolean {
  const numbers = lines.map(line => Number(pattern.exec(line)?.[1] ?? Number.NaN))
  const next = numbers.filter((number, i) => i > 0 && number === numbers[i - 1]! + 1)
  return lines.length > 2 && (next.length + 1) * 100 >= lines.length * NEARLY_ALL
}

/** True if nearly all lines have the layer, and the events among them are still events without it, of a task with a name. */
function fits({ strip }: Layer, lines: readonly string[]): boolean {
  let having = 0
  for (const line of lines) {
    const inner = strip(line)
    if (inner === undefined) continue
    having++
    if (isEventLine(line) && !isEventLine(inner)) return false
  }
  return lines.length > 0 && having * 100 >= lines.length * NEARLY_ALL
}

/** Width of the task's name in the output of tracefs and trace-cmd. */
const NAME_COLUMNS = 16

/** Finds the longest common prefix of all lines, up to the column of the task's name. */
function literalLayer(lines: readonly string[]): Layer | undefined {
  const [first] = lines
  if (first === undefined) return undefined
  let prefix = first
  for (const line of lines) {
    let common = 0
    while (common < prefix.length && prefix[common] === line[common]) common++
    prefix = prefix.slice(0, common)
  }
  const events = lines.filter(isEventLine)
  const room = Math.min(...events.map(line => (/-\d+\s*(?:\(|\[|\s\d)/.exec(line)?.index ?? 0) - NAME_COLUMNS))
  // If the blanks before names were lost, letters of the prefix may belong to names.
  const marks = /^[^\w<\x80-\xff]*/.exec(prefix)![0]
  prefix = prefix.slice(0, Math.max(room, marks.trim() === '' ? 0 : marks.length))
  // A few blanks may belong to wide columns. They do no harm.
  if (/^ {0,3}$/.test(prefix)) return undefined
  const layer = {
    what: prefix.trim() === '' ? 'an indent' : shown(prefix),
    strip: (line: string) => (line.startsWith(prefix) ? line.slice(prefix.length) : undefined),
  }
  return fits(layer, lines) ? layer : undefined
}

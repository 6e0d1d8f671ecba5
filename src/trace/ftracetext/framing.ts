// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * What texts have around their lines when people copy them: the marks of a quoted mail, the stamps of a kernel log or a
 * journal, the names and numbers of grep, an indent, the entities of a web page, the colours of a terminal.
 *
 * What it is, is learned from the first lines, and is believed only if nearly all lines between two events have it and the events
 * are events without it. Lines are text of ISO 8859-1, a character for each byte.
 */

import { decodeText } from '../common/bytes.ts'

/** A line's text without what it has in front; undefined where it has nothing of the kind. */
type Strip = (line: string) => string | undefined

interface Layer {
  /** What was taken off, for a reader of the result. */
  what: string
  strip: Strip
}

/** What is done with the lines of a text. */
export interface Framing {
  /** In words; empty where nothing is done. */
  what: string[]
  /** Whether lines have something in front: those that have not come from elsewhere. */
  isFraming: boolean
  /** Returns the line as ftrace wrote it, as far as can be. */
  unframe(line: string): { line: string; isFramed: boolean }
}

/** The head of an event: "NAME-PID [CPU] FLAGS TIME: NAME", with the latency format and perf script's. */
const EVENT =
  /^.*?\S-\d+ *(?:\( *[-\d]+\) *)?(?: +\[\d{2,}\] +(?:\S{4,8} +)?|\s+\d+[.\w#]{4,6} +)\d+(?:\.\d+)?(?:us[+!#*@$ ]?)? ?: +\S/
const PERF_EVENT = /^\s*\S.*? +\d+(?:\/\d+)? +\[\d{3,}\] +(?:\S{4,5} +)?\d+\.\d{6,9}: +\S/

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
  ['numbers of lines', /^\d+[:-]/],
  ['numbers of lines', /^ *\d+(?:\t|: | \| ?| {2}(?= *\S))/],
  ['names of files', /^[^\s:]{1,255}?[:-](?=\d+[:-])/],
]

/** Lines of which so many in a hundred have it, have it in front. */
const NEARLY_ALL = 90

/** Layers, one inside the other, at most. */
const MAX_LAYERS = 6

/**
 * Learns what the lines of a text have around them from the first of them.
 *
 * @param keepsNames what all lines begin with may be the name of a trace buffer, which is wanted
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
const ESCAPE = /\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][0-9A-B])/g
/** The bytes of a no-break space, as a web page or a word processor has them. */
const NO_BREAK = /\xc2\xa0/g

/** True if a terminal's colours stand where ftrace writes: in a task's name they are the name's own. */
function isColoured(line: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal's colours begin with one
  return /^\s*\x1b\[|-\d+ +\S.*\x1b\[|=>.*\x1b\[/.test(line)
}

/** What is done with a line wherever it stands in it. */
function learnCleaning(lines: readonly string[]): Layer[] {
  const text = lines.join('\n')
  const found: Layer[] = []
  if (lines.some(isColoured)) found.push({ what: 'colours of a terminal', strip: line => line.replace(ESCAPE, '') })
  if (text.includes('\r')) found.push({ what: 'carriage returns', strip: line => line.replace(/\r/g, '') })
  if (text.includes('\xc2\xa0')) found.push({ what: 'no-break spaces', strip: line => line.replace(NO_BREAK, ' ') })
  if (/=&gt;|&lt;(?:stack|idle|\.\.\.)|&#x3d;&gt;/i.test(text))
    found.push({
      what: 'entities of a web page',
      strip: line =>
        line
          .replace(/<\/?(?:span|b|i|a|br|code|pre|p|div|td|tr)\b[^>]*>/gi, '')
          .replace(ENTITY, (all, name: string) => ENTITIES[name.toLowerCase()] ?? all),
    })
  // Carriage returns at the ends of all lines are how some systems end lines, and no news.
  return found.filter(({ what }) => what !== 'carriage returns' || /\r[^\n]/.test(text))
}

/** Lines by which layers are learned. */
const SAMPLE_LINES = 400

/** The lines from the first event on, to an event, without blank ones. */
function between(lines: readonly string[]): string[] {
  const first = lines.findIndex(isEventLine)
  if (first < 0) return []
  const sample = lines.slice(first, first + SAMPLE_LINES)
  // The rest of a line that a mail program broke has lost what stood in front.
  return sample
    .slice(0, sample.findLastIndex(isEventLine) + 1)
    .filter(line => line.trim() !== '' && !isContinuation(line))
}

/** Bytes as the text that they are. */
function shown(latin1: string): string {
  return JSON.stringify(decodeText(Uint8Array.from(latin1, letter => letter.charCodeAt(0))))
}

/** True if a line begins with what stands at the start of a line only where it was broken. */
export function isContinuation(line: string): boolean {
  return /^\s*(?:\w+=\S|page_ref_[a-z_]+: )/.test(line)
}

/** What all lines end in beside words and brackets: the right side of a box. */
function endLayer(lines: readonly string[]): Layer[] {
  const [first = '', ...others] = lines.map(line => line.trimEnd())
  let end = /[^\w)\]>"']*$/.exec(first)![0]
  for (const line of others) while (end !== '' && !line.endsWith(end)) end = end.slice(1)
  if (end.trim() === '') return []
  const strip = (line: string) => (line.trimEnd().endsWith(end) ? line.trimEnd().slice(0, -end.length) : undefined)
  return [{ what: shown(end.trim()), strip }]
}

function learnLayers(lines: readonly string[], keepsNames: boolean): Layer[] {
  const layers: Layer[] = []
  let rest = lines
  while (layers.length < MAX_LAYERS) {
    const layer =
      KNOWN.map(([what, pattern]) => patternLayer(what, pattern)).find(each => fits(each, rest)) ??
      (keepsNames ? undefined : literalLayer(rest))
    if (!layer) break
    layers.push(layer)
    rest = rest.map(line => layer.strip(line) ?? line)
  }
  return [...layers, ...endLayer(rest)]
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

/** Whether nearly all lines have the layer, and all events that have it are events without it, of a task with a name. */
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

/** Width of the column in which tracefs and trace-cmd write a task's name. */
const NAME_COLUMNS = 16

/** What all lines begin with, letter by letter; no more than stands before the column of the task's name. */
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
  // Where the blanks before names were lost, letters may be of a name.
  const marks = /^[^\w<\x80-\xff]*/.exec(prefix)![0]
  prefix = prefix.slice(0, Math.max(room, marks.trim() === '' ? 0 : marks.length))
  // A few blanks may be of wide columns, and do no harm.
  if (/^ {0,3}$/.test(prefix)) return undefined
  const layer = {
    what: prefix.trim() === '' ? 'an indent' : shown(prefix),
    strip: (line: string) => (line.startsWith(prefix) ? line.slice(prefix.length) : undefined),
  }
  return fits(layer, lines) ? layer : undefined
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Classifies lines that ftrace did not write as they are: parts of its lines, or unrelated text. */

/** Matches fields, heads and frames, of which a truncated or joined line keeps some. */
const PARTS =
  /page_ref|\b(?:pfn|flags|count|mapcount|mapping|mt|val|ret)=|\[\d{3,}\]|=>|\+0x[0-9a-f]+|\b\d+\.\d{6}\b|stack trace|-\d+ +\[|^\s{6,}\S+$/

/** Characters that are in no text: control characters such as NUL, and U+FFFD for invalid UTF-8. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const NO_TEXT = /[\x00-\x08\x0e-\x1a\ufffd]/

/** True if a line may be a part of an event or of a stack. */
export function isTorn(line: string): boolean {
  return PARTS.test(line) || NO_TEXT.test(line)
}

/** True if a line only separates others: rulers, code fences, dots, and messages of trace-cmd between events. */
export function isSeparator(line: string): boolean {
  return (
    /^[\s\-=*_~`.|>+]*$/.test(line) ||
    /^```[\w+-]*\s*$/.test(line) ||
    /^(?:version = \d+|CPU \d+ is empty)\s*$/.test(line)
  )
}

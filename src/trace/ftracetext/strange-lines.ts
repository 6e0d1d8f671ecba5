// SPDX-License-Identifier: GPL-2.0-or-later
/** What a line that ftrace has not written can be: a part of one that it has, or something that stands on its own. */

/** Fields, heads and frames, of which a line that was cut or joined has something left. */
const PARTS =
  /page_ref|\b(?:pfn|flags|count|mapcount|mapping|mt|val|ret)=|\[\d{3,}\]|=>|\+0x[0-9a-f]+|\b\d+\.\d{6}\b|stack trace|-\d+ +\[|^\s{6,}\S+$/

/** Letters that no text has: zeros, and what was no UTF-8. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const NO_TEXT = /[\x00-\x08\x0e-\x1a\ufffd]/

/** True if a line may be a part of an event or of a stack. */
export function isTorn(line: string): boolean {
  return PARTS.test(line) || NO_TEXT.test(line)
}

/** True if a line only parts others: rules, fences of code, dots, and what trace-cmd says between events. */
export function isSeparator(line: string): boolean {
  return (
    /^[\s\-=*_~`.|>+]*$/.test(line) ||
    /^```[\w+-]*\s*$/.test(line) ||
    /^(?:version = \d+|CPU \d+ is empty)\s*$/.test(line)
  )
}

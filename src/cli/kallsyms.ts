// SPDX-License-Identifier: GPL-2.0-or-later
/** `--kallsyms FILE`. A file without usable symbols is refused: ignored silently, it would leave addresses without names. */
import { readText, UsageError } from './errors.ts'

/** Number of lines that are checked to recognise the format. All lines of kallsyms have the same form. */
const LINES = 1000

const SYMBOL = /^([0-9a-f]{8}|[0-9a-f]{16}) [a-zA-Z?] \S+/
const HIDDEN = /^0+ [a-zA-Z?] \S+/

/** Reads symbols in the form of /proc/kallsyms. @throws UsageError for a file that has none, or hides their addresses */
export function readSymbols(path: string): string {
  const text = readText(path)
  const lines = text.split('\n', LINES)
  if (!lines.some(line => SYMBOL.test(line))) {
    const form = 'lines of the form "ffffffffc0006000 t function [module]", as /proc/kallsyms has them'
    throw new UsageError(`${path}: expected ${form}`)
  }
  if (lines.every(line => !SYMBOL.test(line) || HIDDEN.test(line)))
    throw new UsageError(
      `${path}: all addresses are 0, because only root sees them: copy /proc/kallsyms as root, with sysctl kernel.kptr_restrict=0`,
    )
  return text
}

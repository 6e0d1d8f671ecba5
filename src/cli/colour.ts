// SPDX-License-Identifier: GPL-2.0-or-later
/** Colours text reports on terminals: findings by how certain they are, verdicts, and explanations dimmed. */
import { styleText } from 'node:util'

type Style = Parameters<typeof styleText>[0]

/** Patterns for beginnings of lines, and their style. The first pattern that matches applies. */
const STYLES: readonly (readonly [RegExp, Style])[] = [
  // A finding: its number, its kind and how sure the fault is.
  [/^\d+\. [a-z-]+ \((?:fault )?certain\b[^)]*\)/, ['bold', 'red']],
  [/^\d+\. [a-z-]+ \((?:fault )?likely\b[^)]*\)/, ['bold', 'yellow']],
  [/^\d+\. [a-z-]+ \((?:fault )?possible\b[^)]*\)/, 'bold'],
  // A verdict of the checker.
  [/^\S.* under \S+: (?:VIOLATED \S+|violated)/, ['bold', 'red']],
  [/^\S.* under \S+: holds/, 'green'],
  [/^\S.* under \S+: inconclusive/, 'yellow'],
  [/^damaged: /, 'yellow'],
  [/^(?:note|incomplete): /, 'dim'],
  [/^ {3}(?:evidence|why this culprit|next best)\b[^:]*:/, 'dim'],
  [/^next: /, 'cyan'],
]

/** True if the stream is a terminal that can show colour, and the environment does not ask for none (NO_COLOR, TERM=dumb). */
export function takesColour(stream: { isTTY?: boolean }, env: NodeJS.ProcessEnv): boolean {
  return stream.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb'
}

/** Returns a report for standard output: with colour where that is a terminal, otherwise unchanged. */
export function shown(text: string): string {
  return takesColour(process.stdout, process.env) ? coloured(text.split('\n')).join('\n') : text
}

/** The lines of a report, coloured. */
export function coloured(lines: readonly string[]): string[] {
  return lines.map(line => {
    for (const [begins, style] of STYLES) {
      const [found] = begins.exec(line) ?? []
      // The caller has already checked that the stream is a terminal.
      if (found !== undefined) return styleText(style, found, { validateStream: false }) + line.slice(found.length)
    }
    return line
  })
}

// SPDX-License-Identifier: GPL-2.0-or-later
import { printable } from './printable.ts'

/** Returns lines of left-aligned columns, two blanks apart, without trailing blanks. Names are made {@link printable}. */
export function table(names: readonly string[], cells: readonly (readonly string[])[]): string[] {
  const head = names.map(printable)
  const rows = cells.map(row => row.map(printable))
  const widths = head.map((h, i) => Math.max(h.length, ...rows.map(r => r[i]!.length)))
  const line = (cells: readonly string[]) =>
    cells
      .map((c, i) => c.padEnd(widths[i]!))
      .join('  ')
      .trimEnd()
  return [line(head), ...rows.map(line)]
}

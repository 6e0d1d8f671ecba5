// SPDX-License-Identifier: GPL-2.0-or-later
/** The position of each cell and each thread's node in the 32-bit words of a packed state. No field straddles two words. */

export interface Field {
  readonly word: number
  readonly shift: number
  readonly bits: number
}

export interface Layout {
  readonly words: number
  /** By variable of a cell: the field holds value - min. */
  readonly cells: readonly Field[]
  /** By thread: the field holds the automaton's node. */
  readonly threads: readonly Field[]
  readonly bits: number
}

/** A field to be placed: a cell (by variable) or a thread. */
export type Item = { readonly cell: number } | { readonly thread: number }

export function bitsFor(size: number): number {
  return size <= 1 ? 0 : 32 - Math.clz32(size - 1)
}

/**
 * Places fields by first fit, largest first.
 * @param cellSizes by variable of a cell, its number of values.
 * @param threadSizes by thread, its number of nodes.
 * @param blocks groups of fields that must be adjacent and in this order, at most 32 bits each: symmetry reduction sorts states
 * by comparing and swapping whole blocks.
 */
export function layout(
  cellSizes: readonly number[],
  threadSizes: readonly number[],
  blocks: readonly (readonly Item[])[],
): Layout {
  const bitsOf = (i: Item) => bitsFor('cell' in i ? cellSizes[i.cell]! : threadSizes[i.thread]!)
  const grouped = new Set(blocks.flat().map(name))
  const singles: Item[] = [
    ...cellSizes.map((_, cell) => ({ cell })),
    ...threadSizes.map((_, thread) => ({ thread })),
  ].filter(i => !grouped.has(name(i)))
  const groups = [...blocks, ...singles.map(i => [i])]
    .map((items, order) => ({ items, order, bits: items.reduce((n, i) => n + bitsOf(i), 0) }))
    .sort((a, b) => b.bits - a.bits || a.order - b.order)
  const used: number[] = [0]
  const cells: Field[] = []
  const threads: Field[] = []
  for (const { items, bits } of groups) {
    let word = used.findIndex(u => u + bits <= 32)
    if (word < 0) word = used.push(0) - 1
    for (const i of items) {
      const field = { word, shift: used[word]! % 32, bits: bitsOf(i) }
      used[word]! += field.bits
      if ('cell' in i) cells[i.cell] = field
      else threads[i.thread] = field
    }
  }
  return { words: used.length, cells, threads, bits: used.reduce((a, b) => a + b, 0) }
}

function name(i: Item): string {
  return 'cell' in i ? `c${i.cell}` : `t${i.thread}`
}

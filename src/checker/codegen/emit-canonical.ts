// SPDX-License-Identifier: GPL-2.0-or-later
/** Generates the code that puts a state into canonical form: the least of its images under the symmetries, with sorted blocks. */

import type { Field, Item } from '../pack/layout.ts'
import type { Permutation, Symmetry } from '../reduce/symmetry.ts'
import { type Fields, maskOf, padded } from './emit-fields.ts'

export class CanonicalForm {
  private readonly fields: Fields
  private readonly symmetry: Symmetry

  constructor(fields: Fields, symmetry: Symmetry) {
    this.fields = fields
    this.symmetry = symmetry
  }

  /**
   * Statements that replace the words by those of the canonical form.
   * @param tracked true to also replace the variable `t`, which holds a thread, by the thread that takes its place: the
   * permutation depends only on the state, and is the same for all its threads.
   */
  statements(tracked = false): string {
    const { names, words } = this.fields
    const { tried } = this.symmetry
    const t = tracked ? 't' : undefined
    if (tried.length <= 1) return this.sort(names, t)
    const lines: string[] = []
    const key = this.keys(lines)
    const best = words.map(i => `b${i}`)
    lines.push(`let ${best.map(b => `${b} = 0`).join()}, any = false${tracked ? ', bt = 0' : ''}`)
    for (const { permutation, images } of tried) {
      const conditions = this.conditions(images, key)
      const image = words.map(i => `x${i}`)
      const follow = tracked ? `, xt = ${this.fields.table(permutation.threads)}[t]` : ''
      lines.push(
        `${conditions.length > 0 ? `if (${conditions.join(' && ')}) ` : ''}{`,
        `let ${words.map(i => `x${i} = ${this.image(permutation, i)}`).join()}${follow}`,
        this.sort(image, tracked ? 'xt' : undefined),
        `if (!any || ${lessText(image, best)}) {`,
        `${words.map(i => `b${i} = x${i}`).join('; ')}; any = true${tracked ? '; bt = xt' : ''} }`,
        '}',
      )
    }
    lines.push(words.map(i => `w${i} = b${i}`).join('; '))
    if (tracked) lines.push('t = bt')
    return lines.join('\n  ')
  }

  /** By thread in a sorted block: the condition that the block before is equal, whose steps then lead to the same orbits. */
  duplicates(): Map<number, string> {
    const out = new Map<number, string>()
    for (const { blocks } of this.symmetry.sorted)
      for (let i = 1; i < blocks.length; i++)
        for (const item of blocks[i]!) {
          if (!('thread' in item)) continue
          const [here, before] = [this.block(blocks[i]!), this.block(blocks[i - 1]!)]
          const same = `${this.fields.get(here)} === ${this.fields.get(before)}`
          out.set(item.thread, out.has(item.thread) ? `${out.get(item.thread)} || ${same}` : same)
        }
    return out
  }

  /** Declares by tried sort, by member, a constant with the values of its own cells, its key. Returns the constants' names. */
  private keys(lines: string[]): string[][] {
    return this.symmetry.keys.map(({ sort, cells }, s) =>
      Array.from({ length: sort.size }, (_, m) => {
        const name = `k${s}_${m}`
        let shift = 0
        const parts = cells[m]!.map(id => {
          const field = this.fields.layout.cells[id]!
          const text = shift === 0 ? this.fields.get(field) : `(${this.fields.get(field)} << ${shift})`
          shift += field.bits
          return text
        })
        lines.push(`const ${name} = ${parts.length > 0 ? parts.join(' | ') : '0'}`)
        return name
      }),
    )
  }

  /**
   * The conditions under which an image is a candidate for the least: member m goes to images[s][m], and keys must not
   * decrease.
   */
  private conditions(images: readonly (readonly number[])[], key: readonly (readonly string[])[]): string[] {
    return images.flatMap((image, s) => {
      if (this.symmetry.keys[s]!.cells[0]!.length === 0) return []
      const order: number[] = []
      for (const [m, to] of image.entries()) order[to] = m
      return order.slice(1).map((m, i) => `${key[s]![order[i]!]} <= ${key[s]![m]}`)
    })
  }

  /** The expression for one word of the image of a state. */
  private image(p: Permutation, word: number): string {
    const { fields } = this
    const moved = new Map<string, { from: number; by: number; mask: number }>()
    const parts: string[] = []
    const place = (from: Field, to: Field, map: readonly number[] | undefined) => {
      if (to.word !== word || from.bits === 0) return
      if (map) {
        const shifted = padded(map, from.bits).map(v => v << to.shift)
        parts.push(`${fields.table(shifted)}[${fields.get(from)}]`)
        return
      }
      const by = to.shift - from.shift
      const key = `${from.word},${by}`
      const group = moved.get(key) ?? { from: from.word, by, mask: 0 }
      group.mask |= maskOf(from) << from.shift
      moved.set(key, group)
    }
    const { cells, threads } = fields.layout
    for (const [c, to] of p.cells.entries()) place(cells[c]!, cells[to]!, p.values[c])
    for (const [t, to] of p.threads.entries()) place(threads[t]!, threads[to]!, p.nodes[t])
    for (const { from, by, mask } of moved.values()) {
      const bits = `(${fields.names[from]} & ${mask})`
      parts.push(by === 0 ? bits : by > 0 ? `(${bits} << ${by})` : `(${bits} >>> ${-by})`)
    }
    return parts.length > 0 ? parts.join(' | ') : '0'
  }

  /** Statements that sort blocks by value: each block is inserted into those before it. */
  private sort(names: readonly string[], tracked: string | undefined): string {
    return this.symmetry.sorted
      .map(({ blocks }, s) => {
        const fields = blocks.map(b => this.block(b))
        if (fields[0]!.bits === 0) return ''
        const key = fields.map((_, i) => `s${s}_${i}`)
        const lines = [`let ${key.map((k, i) => `${k} = ${this.fields.get(fields[i]!, names)}`).join()}, t${s} = 0`]
        if (tracked) lines.push(this.follow(blocks, key, tracked))
        for (let i = 1; i < fields.length; i++)
          for (let j = i; j > 0; j--)
            lines.push(
              `if (${key[j]} < ${key[j - 1]}) { t${s} = ${key[j]}; ${key[j]} = ${key[j - 1]}; ${key[j - 1]} = t${s} }`,
            )
        for (const [i, f] of fields.entries())
          lines.push(`${names[f.word]} = (${names[f.word]} & ${~(maskOf(f) << f.shift)}) | (${key[i]} << ${f.shift})`)
        return lines.join('\n  ')
      })
      .join('\n  ')
  }

  /** Statements that replace the thread in variable `name` by the one whose place it takes in the (stable) sorting. */
  private follow(blocks: readonly (readonly Item[])[], key: readonly string[], name: string): string {
    const { table, automata } = { table: (v: number[]) => this.fields.table(v), automata: this.fields.automata }
    const n = blocks.length
    const block = automata.typeOf.map(() => -1)
    const target = automata.typeOf.flatMap(() => blocks.map(() => 0))
    for (const [b, items] of blocks.entries())
      for (const [i, item] of items.entries())
        if ('thread' in item) {
          block[item.thread] = b
          for (let to = 0; to < n; to++) {
            const image = blocks[to]![i]!
            if ('thread' in image) target[item.thread * n + to] = image.thread
          }
        }
    if (block.every(b => b < 0)) return ''
    return `{ const at = ${table(block)}[${name}]; if (at >= 0) {
    const k = [${key.join()}], mine = k[at]
    let to = 0
    for (let i = 0; i < ${n}; i++) if (k[i] < mine || (k[i] === mine && i < at)) to++
    ${name} = ${table(target)}[${name} * ${n} + to]
  } }`
  }

  /** A block as one field, which it can be because its fields are adjacent. */
  private block(items: readonly Item[]): Field {
    const { cells, threads } = this.fields.layout
    const fields = items.map(i => ('cell' in i ? cells[i.cell]! : threads[i.thread]!)).filter(f => f.bits > 0)
    const first = fields[0] ?? { word: 0, shift: 0, bits: 0 }
    return { word: first.word, shift: first.shift, bits: fields.reduce((n, f) => n + f.bits, 0) }
  }
}

function lessText(a: readonly string[], b: readonly string[]): string {
  return a.reduceRight(
    (rest, x, i) => (rest === '' ? `${x} < ${b[i]}` : `(${x} < ${b[i]} || (${x} === ${b[i]} && ${rest}))`),
    '',
  )
}

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Mutants of the model's source, line by line (the formatter puts one statement on a line): a statement dropped, two
 * neighbours swapped, a number changed.
 */

export interface Mutant {
  readonly file: string
  /** From 1. */
  readonly line: number
  readonly kind: 'drop' | 'swap' | 'count'
  readonly before: string
  readonly after: string
  readonly source: string
}

/** Complete statements that take a step or change shared memory. */
const STATEMENT =
  /^\s*(if \(.*\) )?(yield\* |s\.(set|add)\(|page_ref_\w+\(s|hand_out\(|file_free\(|free_pages\.|bitmap\.push|pool\.push|page_exists\().*[)\]]$/
/** Only steps have an order that others can see. */
const STEP = /yield\* /
const NEVER =
  /^\s*(['"`]|\/\/|\*|\/\*|import|export (type|interface|const)|(export )?function|type |interface |readonly |where:|words:|commit)|cell\(|cells\(|max:|times:|refers|show:|scenarios|threads:/
const NUMBER = /(?<![\w.'`$])(-?\d+)(?![\w'`])/g

/** Every mutant of one file. */
export function mutantsOf(file: string, text: string): Mutant[] {
  const lines = text.split('\n')
  const with_lines = (changed: ReadonlyMap<number, string>) =>
    lines.flatMap((l, i) => (changed.get(i) === '' ? [] : [changed.get(i) ?? l])).join('\n')
  const out: Mutant[] = []
  for (const [i, line] of lines.entries()) {
    if (NEVER.test(line)) continue
    const add = (kind: Mutant['kind'], after: string, changed: [number, string][]) =>
      out.push({ file, line: i + 1, kind, before: line.trim(), after, source: with_lines(new Map(changed)) })
    if (STATEMENT.test(line)) {
      add('drop', '', [[i, '']])
      const next = lines[i + 1]
      if (next !== undefined && STEP.test(line) && STEP.test(next) && next !== line && indent(next) === indent(line))
        add('swap', `${next.trim()}; ${line.trim()}`, [
          [i, next],
          [i + 1, line],
        ])
    }
    for (const match of line.replace(/(['`]).*\1/, text => ' '.repeat(text.length)).matchAll(NUMBER))
      for (const n of [Number(match[1]) + 1, Number(match[1]) - 1]) {
        const changed = `${line.slice(0, match.index)}${n}${line.slice(match.index + match[1]!.length)}`
        add('count', changed.trim(), [[i, changed]])
      }
  }
  return out
}

function indent(line: string): number {
  return line.length - line.trimStart().length
}

/** `count` of them, chosen by seed (a Fisher-Yates shuffle by a linear congruential generator). */
export function sample(mutants: readonly Mutant[], count: number, seed: number): Mutant[] {
  const list = [...mutants]
  let x = seed >>> 0
  const random = (below: number) => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0
    return Math.floor((x / 2 ** 32) * below)
  }
  for (let i = list.length - 1; i > 0; i--) {
    const j = random(i + 1)
    ;[list[i], list[j]] = [list[j]!, list[i]!]
  }
  return list.slice(0, count)
}

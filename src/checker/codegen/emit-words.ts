// SPDX-License-Identifier: GPL-2.0-or-later
/** Generates functions over whole states, with the loop over the words unrolled. */
import type { Fields } from './emit-fields.ts'

/** `hashWords(words)`; and `hash`, `place`, `equal` and `copy` of {@link SystemCode}. */
export function wordFunctions({ words, names }: Fields): string {
  const mixed = words.slice(1).map(i => `h = Math.imul(h ^ (h >>> 13) ^ w${i}, ${0x297a2d39 + 2 * i}); h ^= h >>> 16`)
  return `
function hashWords(${names.join()}) {
  let h = Math.imul(w0 ^ (w0 >>> 15), 0x2c1b3c6d)
  ${mixed.join('\n  ')}
  h = Math.imul(h ^ (h >>> 15), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}
function hash(states, at) { return hashWords(${wordsAt(words, 'states', 'at')}) }
function place(i) { return i * ${words.length} }
function equal(a, i, b, j) { return ${words.map(k => `a[i + ${k}] === b[j + ${k}]`).join(' && ')} }
function copy(from, i, to, j) { ${words.map(k => `to[j + ${k}] = from[i + ${k}]`).join('; ')} }`
}

/** `function name(states, at)`, which calls `of` with the words of the state. */
export function overList(name: string, of: string, { words }: Fields): string {
  return `function ${name}(states, at) { return ${of}(${wordsAt(words, 'states', 'at')}) }`
}

function wordsAt(words: readonly number[], list: string, at: string): string {
  return words.map(i => `${list}[${at} + ${i}]`).join()
}

// SPDX-License-Identifier: GPL-2.0-or-later
// What is read comes from a crashed machine, or from an attacker. A regular expression that can go back over a line once for each
// of its characters takes a minute for a line of 256 KB, so none may: each is searched for such a line by a tool made for that.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'acorn'
import { transformSync } from 'esbuild'
import { checkSync } from 'recheck'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')

/** Patterns that are not linear, and why what they are matched with is short or no stranger's. */
const BOUNDED: Readonly<Record<string, string>> = {
  '\\B(?=(\\d{3})+$)': 'the digits of a number',
  '^\\s*at (?:async )?(?:(.+?) \\((.*)\\)|(.*))$': "a stack of the user's own model",
  ' \\[as .*\\]$': "a stack of the user's own model",
  '(?:^|\\/)((?:dist|src)\\/.+)$': "the path of a file of the user's own model",
}

interface Pattern {
  file: string
  source: string
  flags: string
}

/** The regular expressions of a file in TypeScript. */
function patternsOf(file: string): Pattern[] {
  const { code } = transformSync(readFileSync(join(root, file), 'utf8'), { loader: 'ts', target: 'esnext' })
  const found: Pattern[] = []
  const visit = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return
    const { regex } = node as { regex?: { pattern: string; flags: string } }
    if (regex) found.push({ file, source: regex.pattern, flags: regex.flags })
    else for (const child of Object.values(node)) visit(child)
  }
  visit(parse(code, { ecmaVersion: 'latest', sourceType: 'module' }))
  return found
}

const files = ['src', 'web/src'].flatMap(folder =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter(file => file.endsWith('.ts') && !file.endsWith('.d.ts'))
    .map(file => `${folder}/${file}`),
)
const patterns = files.flatMap(patternsOf)

/** True if nothing in the pattern repeats without end, so that it takes at most a constant time from each place on. */
function isBounded(source: string): boolean {
  const quantified = source.replace(/\\./g, 'x').replace(/\[[^\]]*\]/g, 'x')
  return !/[*+]|\{\d+,\}/.test(quantified)
}

/** True if no text is known for which the pattern takes more than time in proportion to its length. */
function isLinear({ source, flags }: Omit<Pattern, 'file'>): boolean {
  if (isBounded(source)) return true
  // The flag v only adds to the flag u what no pattern here uses in its sets.
  const { status } = checkSync(source, flags.replace('v', 'u'), { timeout: 20_000, checker: 'auto' })
  return status === 'safe'
}

test('a pattern that is not linear is recognised', () => {
  expect(isLinear({ source: '[^\\w)]*$', flags: '' })).toBe(false)
  expect(isLinear({ source: '^\\s*=>\\s*(.*?)\\s*$', flags: '' })).toBe(false)
  expect(isLinear({ source: '^\\s*=>', flags: '' })).toBe(true)
})

test('each pattern takes time in proportion to the length of the text', { timeout: 1_200_000 }, () => {
  expect(patterns.length).toBeGreaterThan(200)
  const slow = patterns.filter(pattern => !(pattern.source in BOUNDED) && !isLinear(pattern))
  expect(slow.map(({ file, source }) => `${file}: ${source}`)).toEqual([])
})

test('each exception is needed', () => {
  const all = new Set(patterns.map(({ source }) => source))
  for (const source of Object.keys(BOUNDED)) {
    expect(all).toContain(source)
    expect(isLinear({ source, flags: '' })).toBe(false)
  }
})

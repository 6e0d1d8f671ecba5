// SPDX-License-Identifier: GPL-2.0-or-later
// One id for one promise: the model's properties and the ledger's findings speak of the same list, and use all of it.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { KindOfFinding } from '../../src/ledger/findings/finding-kind.ts'
import { breaks } from '../../src/ledger/findings/kinds.ts'
import { KINDS } from '../../src/ledger/findings/registry.ts'
import { properties } from '../../src/linux/index.ts'
import { type KernelPromise, PROMISES, presentId, promiseOf } from '../../src/promises/promises.ts'
import { promiseText } from '../../src/report/promises.ts'
import { WIDTH } from '../../src/report/words.ts'

const root = join(import.meta.dirname, '../..')
const kinds: readonly KindOfFinding[] = KINDS
const all: readonly KernelPromise[] = PROMISES

describe.each(all.map(promise => [promise.id, promise] as const))('%s', (id, promise) => {
  test('is a rule in words with its place in the kernel', () => {
    expect(promise.rule).toMatch(/^[a-z].*[^.]$/)
    expect(promise.kernel.file).toMatch(/^[a-z_\-/0-9]+\.[ch]$/)
    expect(promise.kernel.function).toMatch(/^[a-z_0-9]+$/)
    expect(promise.kernel.commit).toMatch(/^[0-9a-f]{12}$/)
  })

  test('is used: checked, or found, and then checked as a part of another', () => {
    const isChecked = Object.hasOwn(properties, id)
    const isFound = kinds.some(kind => kind.promise === id)
    expect(isChecked || isFound).toBe(true)
    // Nothing is found in a recording that the model cannot tell of.
    if (!isChecked) expect(promise.partOf ?? []).not.toEqual([])
    for (const wider of promise.partOf ?? []) expect(Object.keys(properties)).toContain(wider)
    if (isChecked) expect(promise.column?.length).toBeLessThanOrEqual(6)
  })

  test('is explained, in 80 columns', () => {
    const text = promiseText(promise)
    expect(text.replace(/\s+/g, ' ')).toContain(promise.rule)
    expect(text).toContain(promise.kernel.commit)
    expect(Math.max(...text.split('\n').map(line => line.length))).toBeLessThanOrEqual(WIDTH)
  })
})

test('ids are names of their own, and no former id is one of today', () => {
  expect(new Set(PROMISES.map(p => p.id)).size).toBe(PROMISES.length)
  for (const former of ['free-once', 'get-on-free', 'pte-on-free', 'pagemap-outlives', 'count']) {
    expect(promiseOf(presentId(former)!), former).toBeDefined()
    expect(promiseOf(former)).toBeUndefined()
  }
})

test('a kind that goes by the name of a promise is about that promise', () => {
  for (const kind of kinds) {
    expect(promiseOf(kind.promise), kind.id).toBeDefined()
    if (promiseOf(kind.id)) expect(kind.promise).toBe(kind.id)
  }
})

test('a finding breaks its promise and the wider ones; what is merely held breaks none', () => {
  expect(breaks('leak', 'leak')).toBe(true)
  expect(breaks('leak', 'count-mismatch')).toBe(true)
  expect(breaks('leak', 'bounds')).toBe(false)
  expect(breaks('held-at-end', 'leak')).toBe(false)
  expect(breaks('of-another-version', 'leak')).toBe(false)
})

test('the model names no promise by a former id', () => {
  const sources = readdirSync(join(root, 'src/linux'), { recursive: true, encoding: 'utf8' })
  const texts = sources.filter(f => f.endsWith('.ts')).map(f => readFileSync(join(root, 'src/linux', f), 'utf8'))
  for (const text of texts)
    for (const [, name] of text.matchAll(/'([a-z-]+)'/g))
      if (name !== 'count') expect(presentId(name!), name).toBeUndefined()
})

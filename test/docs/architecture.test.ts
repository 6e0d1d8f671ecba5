// SPDX-License-Identifier: GPL-2.0-or-later
// docs/architecture.md sends people to places that there are.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')
const document = readFileSync(join(root, 'docs/architecture.md'), 'utf8')

test('where to go: each task has places that exist', () => {
  const section = document.slice(document.indexOf('## Where to go'), document.indexOf('## From a recording'))
  const rows = section.split('\n').filter(line => /^\| (?!to |---)/.test(line))
  expect(rows).toHaveLength(16)
  for (const row of rows) {
    const places = [...row.split('|')[2]!.matchAll(/`(src\/[^`]+)`/g)].map(match => match[1]!)
    expect(places, row).not.toEqual([])
    for (const place of places) expect(existsSync(join(root, place)), place).toBe(true)
  }
})

test('layers: the folders that there are', () => {
  const section = document.slice(document.indexOf('## Layers'), document.indexOf('## Where to go'))
  for (const [, folder] of section.matchAll(/^\| `(src\/[^`]+)`/gm))
    expect(existsSync(join(root, folder!)), folder).toBe(true)
})

// SPDX-License-Identifier: GPL-2.0-or-later
// The tests themselves, as text, for tests of what all of them must do.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export const root = join(import.meta.dirname, '../..')

/** Every file with tests, by its path from the project's root. */
export const sources = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
  .filter(file => file.endsWith('.test.ts'))
  .map(file => ({ file: `test/${file}`, text: readFileSync(join(root, 'test', file), 'utf8') }))

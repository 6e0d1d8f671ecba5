// SPDX-License-Identifier: GPL-2.0-or-later
/** Where in a file of the user's an error came from. */
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Folders with code of ours, compiled and as its source maps name it; and modules of others. */
const OURS = ['..', '../../src'].map(folder => fileURLToPath(new URL(`${folder}/`, import.meta.url)))
const PLACE = /\(?((?:file:\/\/)?\/[^()]*):(\d+):(\d+)\)?$/

/** Returns ` (model.ts:12:5)`, the innermost place in the user's code, as a path from where the user is; empty without one. */
export function placeOf(error: unknown): string {
  if (!(error instanceof Error)) return ''
  for (const line of error.stack?.split('\n').slice(1) ?? []) {
    const [, source = '', row, column] = PLACE.exec(line.trim()) ?? []
    const file = source.startsWith('file:') ? fileURLToPath(source) : source
    if (file === '' || file.includes('/node_modules/') || OURS.some(folder => file.startsWith(folder))) continue
    return ` (${relative(process.cwd(), file)}:${row}:${column})`
  }
  return ''
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Where in a file of the user's an error came from. */
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { userSite } from '../checker/stack.ts'

/** Returns ` (model.ts:12:5)`, the innermost place in the user's code, as a path from where the user is; empty without one. */
export function placeOf(error: unknown): string {
  const site = error instanceof Error ? userSite(error.stack) : undefined
  const [, source, place] = /^(.*?)(:\d+:\d+)$/.exec(site?.source ?? '') ?? []
  if (source === undefined) return ''
  return ` (${relative(process.cwd(), source.startsWith('file:') ? fileURLToPath(source) : source)}${place})`
}

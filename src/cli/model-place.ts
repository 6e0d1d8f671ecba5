// SPDX-License-Identifier: GPL-2.0-or-later
/** The place in a user's file that an error came from. */
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { userSite } from '../checker/stack.ts'

/** Returns ` (model.ts:12:5)`: the innermost frame in the user's code, relative to the working directory; empty without one. */
export function placeOf(error: unknown): string {
  const site = error instanceof Error ? userSite(error.stack) : undefined
  const [, source, place] = /^(.*?)(:\d+:\d+)$/.exec(site?.source ?? '') ?? []
  if (source === undefined) return ''
  return ` (${relative(process.cwd(), source.startsWith('file:') ? fileURLToPath(source) : source)}${place})`
}

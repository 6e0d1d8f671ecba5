// SPDX-License-Identifier: GPL-2.0-or-later
// The command and the viewer as `npm run build` makes them; the tests of the viewer need both.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ViewerBundle } from '../../src/report/html.ts'

export const root = join(import.meta.dirname, '../..')

export function bundle(): ViewerBundle {
  const read = (file: string) => readFileSync(join(root, 'dist/web', file), 'utf8')
  return { script: read('viewer.js'), style: read('viewer.css') }
}

/** Runs the command; findings (exit code 1) are no failure. */
export function lastput(args: string[]): string {
  const run = spawnSync(process.execPath, [join(root, 'dist/cli/main.js'), ...args], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  if (run.status !== 0 && run.status !== 1) throw new Error(`lastput ${args.join(' ')}: ${run.status} ${run.stderr}`)
  return run.stdout
}

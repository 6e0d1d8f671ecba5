// SPDX-License-Identifier: GPL-2.0-or-later
/** Where the tests find recordings of real kernels and the programs that they are compared with. */

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The project's folder: this file stands in it, and compiled in its .tools. */
function projectRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder)
  return folder
}

/** What is missing, in words that follow "no"; undefined where all is there. */
export type Missing = string | undefined

/** The folder beside the project that holds recordings of real kernels. */
export const SHARED = process.env.LASTPUT_SHARED ?? join(projectRoot(), '../shared')

/** Path of a file under the shared data (`6.12/zdbug-leak/trace.dat`). */
export function dataPath(path: string): string {
  return join(SHARED, 'data', path)
}

/** Needs a file or folder of the shared data, or the shared data at all. */
export function data(path = '.'): Missing {
  const all = dataPath('.')
  if (!existsSync(all)) return `recordings of real kernels in ${all} (LASTPUT_SHARED names another ../shared)`
  return existsSync(dataPath(path)) ? undefined : `${path} in ${all}`
}

/**
 * Needs a program, by name or path. It is asked for its version, for some distributions install a script of the same name that
 * only says which package to install. (trace-cmd says its version and exits with an error.)
 */
export function program(name: string): Missing {
  const { status, stdout } = spawnSync(name, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  return status === 0 || stdout?.includes(`${name} version`) ? undefined : `program ${name}`
}

/** Needs a program that says no version, as a daemon without its configuration. */
export function daemon(name: string): Missing {
  const folders = (process.env.PATH ?? '').split(delimiter)
  return folders.some(folder => existsSync(join(folder, name))) ? undefined : `program ${name}`
}

/** Runs a program; its stdout, or an error with its stderr. */
export function run(program: string, args: string[], options: { input?: Uint8Array } = {}): string {
  return runBytes(program, args, options).toString('utf8')
}

export function runBytes(program: string, args: string[], options: { input?: Uint8Array } = {}): Buffer {
  const result = spawnSync(program, args, { maxBuffer: 1 << 30, ...options })
  if (result.error) throw result.error
  if (result.status !== 0) throw new Error(`${program} ${args.join(' ')}: exit ${result.status}: ${result.stderr}`)
  return result.stdout
}

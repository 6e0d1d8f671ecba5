// SPDX-License-Identifier: GPL-2.0-or-later
/** Locates the shared data and the programs that tests compare with. */

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Returns the project's folder, both for this file and for its compiled form below .tools. */
function projectRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder)
  return folder
}

/** A missing test requirement, worded to follow "no"; undefined if everything is present. */
export type Missing = string | undefined

/** The folder of the shared data; by default `shared` beside the project. */
export const SHARED = process.env.LASTPUT_SHARED ?? join(projectRoot(), '../shared')

/** Path of a file in the shared data, such as `6.12/zdbug-leak/trace.dat`. */
export function dataPath(path: string): string {
  return join(SHARED, 'data', path)
}

/** Test requirement: a file or folder of the shared data; without a path, the shared data itself. */
export function data(path = '.'): Missing {
  const all = dataPath('.')
  if (!existsSync(all)) return `recordings of real kernels in ${all} (LASTPUT_SHARED names another ../shared)`
  return existsSync(dataPath(path)) ? undefined : `${path} in ${all}`
}

/**
 * Test requirement: a program, by name or path. It is run with --version, because some distributions install a script of the same
 * name that only tells which package to install. trace-cmd prints its version and exits with an error.
 */
export function program(name: string): Missing {
  const { status, stdout } = spawnSync(name, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  return status === 0 || stdout?.includes(`${name} version`) ? undefined : `program ${name}`
}

/** Test requirement: a program that prints no version, such as a daemon that needs its configuration. */
export function daemon(name: string): Missing {
  const folders = (process.env.PATH ?? '').split(delimiter)
  return folders.some(folder => existsSync(join(folder, name))) ? undefined : `program ${name}`
}

/** Runs a program. @returns its stdout @throws Error with its stderr */
export function run(program: string, args: string[], options: { input?: Uint8Array } = {}): string {
  return runBytes(program, args, options).toString('utf8')
}

export function runBytes(program: string, args: string[], options: { input?: Uint8Array } = {}): Buffer {
  const result = spawnSync(program, args, { maxBuffer: 1 << 30, ...options })
  if (result.error) throw result.error
  if (result.status !== 0) throw new Error(`${program} ${args.join(' ')}: exit ${result.status}: ${result.stderr}`)
  return result.stdout
}

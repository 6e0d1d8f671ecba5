// SPDX-License-Identifier: GPL-2.0-or-later
/** Where the tests find recordings of real kernels and the programs that they are compared with. */

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The project's folder: this file stands in it, and compiled in its .tools. */
function projectRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder)
  return folder
}

/** The folder beside the project that holds recordings of real kernels. */
export const SHARED = process.env.LASTPUT_SHARED ?? join(projectRoot(), '../shared')

/** Path of a file under the shared data (`6.12/zdbug-leak/trace.dat`). */
export function dataPath(path: string): string {
  return join(SHARED, 'data', path)
}

/** Whether the file is there; says so on stderr where it is not, so that a skipped test is seen. */
export function haveData(path: string): boolean {
  return told(existsSync(dataPath(path)), `no ${path} under the shared data (LASTPUT_SHARED)`)
}

export function haveProgram(name: string): boolean {
  const found = (process.env.PATH ?? '').split(':').some(folder => existsSync(join(folder, name)))
  return told(found, `program ${name} is not installed`)
}

function told(found: boolean, missing: string): boolean {
  if (!found) process.stderr.write(`skipped: ${missing}\n`)
  return found
}

/** Runs a program; its stdout, or an error with its stderr. */
export function run(program: string, args: string[], options: { input?: Uint8Array } = {}): string {
  return runBytes(program, args, options).toString('utf8')
}

export function runBytes(program: string, args: string[], options: { input?: Uint8Array } = {}): Buffer {
  const result = spawnSync(program, args, { maxBuffer: 1 << 30, ...options })
  if (result.status !== 0) throw new Error(`${program} ${args.join(' ')}: exit ${result.status}: ${result.stderr}`)
  return result.stdout
}

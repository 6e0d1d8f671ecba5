// SPDX-License-Identifier: GPL-2.0-or-later
/** Builds and runs Promela models with Debian's spin and gcc. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BenchSystem, Size } from './models/index.ts'

export interface SpinRun {
  readonly verdict: 'holds' | 'violated' | 'inconclusive'
  readonly states: number
  /** Wall time in seconds, of pan alone. */
  readonly seconds: number
  /** CPU time in seconds. */
  readonly cpu: number
  /** Peak resident memory in bytes. */
  readonly rss: number
}

/** Returns which of spin, gcc and GNU time is not installed; undefined if all are. */
export function spinMissing(): string | undefined {
  for (const program of ['spin', 'gcc', '/usr/bin/time'])
    try {
      execFileSync(program, [program === 'spin' ? '-V' : '--version'], { stdio: 'pipe' })
    } catch {
      return program
    }
  return undefined
}

/** Compiles a Promela model. @returns the path of its pan */
export function compile(
  system: BenchSystem,
  promela: string,
  size: Size,
  broken: boolean,
  flags: readonly string[] = [],
): string {
  const cwd = mkdtempSync(join(tmpdir(), 'lastput-spin-'))
  const defines = Object.entries(system.sizes[size]).map(([k, v]) => `-D${k}=${v}`)
  execFileSync('spin', [...defines, ...(broken ? ['-DBROKEN'] : []), '-a', join(promela, `${system.name}.pml`)], {
    cwd,
    stdio: 'pipe',
  })
  execFileSync('gcc', ['-O3', '-DMEMLIM=12000', ...system.spin.compile, ...flags, '-o', 'pan', 'pan.c'], {
    cwd,
    stdio: 'pipe',
  })
  return join(cwd, 'pan')
}

/** Runs pan and parses its report. @throws Error if the report cannot be parsed */
export function run(pan: string, flags: readonly string[]): SpinRun {
  const began = performance.now()
  // pan exits with 1 for some errors in the model, so that only its report counts. GNU time adds peak memory as the last line.
  const text = execFileSync(
    '/bin/sh',
    ['-c', 'exec /usr/bin/time -f "peak %M cpu %U %S" "$0" "$@" 2>&1 || true', pan, ...flags],
    {
      cwd: join(pan, '..'),
      maxBuffer: 1 << 26,
    },
  ).toString()
  const seconds = (performance.now() - began) / 1000
  const states = /^\s*([\d.e+]+) states, stored/m.exec(text)
  const errors = /errors: (\d+)/.exec(text)
  const peak = /peak (\d+) cpu ([\d.]+) ([\d.]+)/.exec(text)
  if (!states || !errors || !peak) throw new Error(`pan's report is not understood:\n${text.slice(0, 2000)}`)
  const cut = /max search depth too small|out of memory|max memory/.test(text)
  return {
    verdict: errors[1] !== '0' ? 'violated' : cut ? 'inconclusive' : 'holds',
    states: Number(states[1]),
    seconds,
    cpu: Number(peak[2]) + Number(peak[3]),
    rss: Number(peak[1]) * 1024,
  }
}

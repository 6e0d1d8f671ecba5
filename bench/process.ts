// SPDX-License-Identifier: GPL-2.0-or-later
/** Runs a program as a process, and measures its wall time, CPU time and peak memory. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Run {
  /** Wall time in seconds. */
  seconds: number
  /** CPU time of all threads in seconds; undefined without GNU time. */
  cpuSeconds: number | undefined
  /** Peak resident set in MB; undefined without GNU time. */
  megabytes: number | undefined
}

const GNU_TIME = '/usr/bin/time'

/**
 * Runs a program to its end. Its output is discarded, except that stdout is returned if the program is Node.
 *
 * @param allowed exit codes that mean success
 * @throws Error for any other exit code
 */
export function measure(program: string, args: string[], allowed: number[] = [0]): Run & { stdout: string } {
  const folder = mkdtempSync(join(tmpdir(), 'lastput-bench-'))
  try {
    const figures = join(folder, 'time')
    const timed = existsSync(GNU_TIME)
    const command = timed ? [GNU_TIME, '-q', '-f', '%e %U %S %M', '-o', figures, program, ...args] : [program, ...args]
    const start = process.hrtime.bigint()
    const keep = program === process.execPath
    const done = spawnSync(command[0]!, command.slice(1), {
      stdio: ['ignore', keep ? 'pipe' : 'ignore', 'ignore'],
      maxBuffer: 1 << 28,
    })
    const seconds = Number(process.hrtime.bigint() - start) / 1e9
    if (!allowed.includes(done.status ?? -1)) throw new Error(`${program} ${args.join(' ')}: exit ${done.status}`)
    const [, user, system, kilobytes] = timed ? readFileSync(figures, 'utf8').trim().split(' ').map(Number) : []
    return {
      seconds,
      cpuSeconds: user === undefined ? undefined : user + system!,
      megabytes: kilobytes === undefined ? undefined : kilobytes / 1024,
      stdout: keep ? done.stdout.toString() : '',
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Returns the run with the least wall time, because other load on the machine only adds time. */
export function best<T extends Run>(runs: T[]): T {
  return runs.reduce((least, run) => (run.seconds < least.seconds ? run : least))
}

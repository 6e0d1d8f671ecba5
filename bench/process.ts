// SPDX-License-Identifier: GPL-2.0-or-later
/** Runs programs as users do: a whole process, its wall time, its processor time, its peak memory. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Run {
  /** Wall time. */
  seconds: number
  /** Processor time of all threads; undefined without GNU time. */
  cpuSeconds: number | undefined
  /** Peak of the resident set, in MB; undefined without GNU time. */
  megabytes: number | undefined
}

const GNU_TIME = '/usr/bin/time'

/** Runs a program to its end with its output thrown away, but for what `keep` asks for. Fails when it fails. */
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

/** The run with the least wall time: what else runs on the machine only adds. */
export function best<T extends Run>(runs: T[]): T {
  return runs.reduce((least, run) => (run.seconds < least.seconds ? run : least))
}

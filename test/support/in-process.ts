// SPDX-License-Identifier: GPL-2.0-or-later
/** Commands in the process of the test. */
import { CommanderError } from 'commander'
import { vi } from 'vitest'
import { checkCommand } from '../../src/cli/check.ts'
import { coreCommand } from '../../src/cli/core.ts'
import { eventsCommand } from '../../src/cli/events.ts'
import { explainCommand } from '../../src/cli/explain.ts'
import { lifeCommand } from '../../src/cli/life.ts'
import { openCommand } from '../../src/cli/open.ts'
import { runCommand } from '../../src/cli/run.ts'
import { strict } from '../../src/cli/strict.ts'
import { traceCommand } from '../../src/cli/trace.ts'
import { whoCommand } from '../../src/cli/who.ts'

/** Commands that read files or models. */
export const COMMANDS = {
  trace: traceCommand,
  who: whoCommand,
  life: lifeCommand,
  events: eventsCommand,
  check: checkCommand,
  run: runCommand,
  explain: explainCommand,
  open: openCommand,
  core: coreCommand,
}

/** Runs a command in this process, as main.ts does: a process of its own for each would take most of the time. */
export async function lastput(name: string, ...args: string[]) {
  const written = { stdout: '', stderr: '' }
  const spies = (['stdout', 'stderr'] as const).map(to =>
    vi.spyOn(process[to], 'write').mockImplementation(part => {
      written[to] += part
      return true
    }),
  )
  process.exitCode = undefined
  try {
    await strict(COMMANDS[name as keyof typeof COMMANDS]()).parseAsync(args, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    process.exitCode = 2
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
  const status = process.exitCode
  process.exitCode = undefined
  return { status, stdout: written.stdout, stderr: written.stderr.replace(/\s+/g, ' ').trim() }
}

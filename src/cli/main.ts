#!/usr/bin/env node
// SPDX-License-Identifier: GPL-2.0-or-later
/** The command line: one file a command, each thin. */
import { readFileSync } from 'node:fs'
import module from 'node:module'
import { inspect } from 'node:util'
import { Command, CommanderError } from 'commander'
import { complain } from './complain.ts'
import { Exit } from './exit-codes.ts'
import { strict } from './strict.ts'

// What V8 made of our code is kept from one run to the next, where Node can (22.8 and later).
const { enableCompileCache } = module as { enableCompileCache?: () => void }
enableCompileCache?.()

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))

const EXAMPLES = `
Examples:
  lastput trace trace.dat                     who never gave a reference back?
  lastput who trace.dat --pfn 0xfcf83fc       who holds this page?
  lastput record --driver nouveau             record this kernel (root)
  lastput core vmcore                         which device pages are in use?
  lastput check test_hmm --protocol G         can any interleaving go wrong?
  lastput run test_hmm --protocol G --seed 1  one execution, as page_ref events
  lastput open trace.dat                      look at it in the browser

Exit codes: 0 all was judged and nothing found, 1 findings, 2 wrong usage or
unusable input, 3 nothing found, but something may have been missed.`

const program = new Command('lastput')
  .description("check Linux's ZONE_DEVICE page reference counts: in recordings, memory dumps and a model")
  .version(version)
  .addHelpText('after', EXAMPLES)
  .exitOverride()
  .configureOutput({ outputError: text => complain('lastput', text.replace(/^error: /, '')) })
  .configureHelp({ helpWidth: 80 })

/** Loaded one by one: the model checker takes longer to load than a small recording to account for. */
const COMMANDS: Record<string, () => Promise<Command>> = {
  trace: async () => (await import('./trace.ts')).traceCommand(),
  who: async () => (await import('./who.ts')).whoCommand(),
  life: async () => (await import('./life.ts')).lifeCommand(),
  diff: async () => (await import('./diff.ts')).diffCommand(),
  merge: async () => (await import('./merge.ts')).mergeCommand(),
  events: async () => (await import('./events.ts')).eventsCommand(),
  record: async () => (await import('./record.ts')).recordCommand(),
  core: async () => (await import('./core.ts')).coreCommand(),
  check: async () => (await import('./check.ts')).checkCommand(),
  explain: async () => (await import('./explain.ts')).explainCommand(),
  run: async () => (await import('./run.ts')).runCommand(),
  open: async () => (await import('./open.ts')).openCommand(),
  completion: async () => (await import('./manual.ts')).completionCommand(withAll),
}

/** Those that are not listed. */
const HIDDEN: Record<string, () => Promise<Command>> = {
  man: async () => (await import('./manual.ts')).manCommand(withAll, version),
}

/** The program with all of its commands, for what tells of them. */
async function withAll(): Promise<Command> {
  const known = new Set(program.commands.map(command => command.name()))
  const all = new Command('lastput').description(program.description()).helpCommand(false)
  for (const [name, load] of Object.entries(COMMANDS))
    all.addCommand(known.has(name) ? program.commands.find(command => command.name() === name)! : await load())
  return all.addHelpText('after', EXAMPLES).configureHelp({ helpWidth: 80 })
}

/** As a shell tells of SIGPIPE: nobody has seen the answer, so that it is no 0. */
const BROKEN_PIPE = 141

// Counterexamples are told by stacks: functions nest deeper than the ten frames that a stack has else.
Error.stackTraceLimit = 100

// Who reads our output may stop when they have seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(process.exitCode ?? BROKEN_PIPE)
  complain('lastput', `standard output: ${error.message}`)
  process.exit(2)
})
// There is nobody to tell.
process.stderr.on('error', () => undefined)

// Ours, or of a timer in a model: no verdict, so not the exit code of one.
process.on('uncaughtException', error => {
  process.stderr.write(`${inspect(error)}\n`)
  process.exit(2)
})

const wanted = { ...COMMANDS, ...HIDDEN }[process.argv[2] ?? '']
// The version needs none, and help all of them.
const needed = ['--version', '-V'].includes(process.argv[2] ?? '') ? [] : Object.values(COMMANDS)
for (const load of wanted ? [wanted] : needed) program.addCommand(strict(await load()))

try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof CommanderError)) throw error
  process.exitCode = error.exitCode === 0 ? Exit.CLEAN : Exit.UNUSABLE
}

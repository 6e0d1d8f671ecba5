#!/usr/bin/env node
// SPDX-License-Identifier: GPL-2.0-or-later
/** The entry point of the command line. Each command has a file of its own. */
import { readFileSync } from 'node:fs'
import module from 'node:module'
import { inspect } from 'node:util'
import { Command, CommanderError } from 'commander'
import { complain } from './complain.ts'
import { Exit } from './exit-codes.ts'
import { strict } from './strict.ts'

// V8's compiled code is cached from one run to the next, where Node supports that (22.8 and later).
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

/** Loaded on demand: loading the model checker takes longer than accounting for a small recording. */
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

/** Commands that help does not list. */
const HIDDEN: Record<string, () => Promise<Command>> = {
  man: async () => (await import('./manual.ts')).manCommand(withAll, version),
}

/** Returns the program with all commands, for the completion script and the man page. */
async function withAll(): Promise<Command> {
  const known = new Set(program.commands.map(command => command.name()))
  const all = new Command('lastput').description(program.description()).helpCommand(false)
  for (const [name, load] of Object.entries(COMMANDS))
    all.addCommand(known.has(name) ? program.commands.find(command => command.name() === name)! : await load())
  return all.addHelpText('after', EXAMPLES).configureHelp({ helpWidth: 80 })
}

/** The exit code that a shell reports for SIGPIPE. It must not be 0, because nobody has seen the whole output. */
const BROKEN_PIPE = 141

// Counterexamples show the model's call stacks, which are deeper than V8's default of ten frames.
Error.stackTraceLimit = 100

// A reader of the output, such as `head`, may close the pipe early.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(process.exitCode ?? BROKEN_PIPE)
  complain('lastput', `standard output: ${error.message}`)
  process.exit(2)
})
// Errors of stderr cannot be reported anywhere.
process.stderr.on('error', () => undefined)

// A bug of lastput, or an error in a timer of a model: there is no verdict, so the exit code must not look like one.
process.on('uncaughtException', error => {
  process.stderr.write(`${inspect(error)}\n`)
  process.exit(2)
})

const wanted = { ...COMMANDS, ...HIDDEN }[process.argv[2] ?? '']
// Printing the version needs no command, and help needs all of them.
const needed = ['--version', '-V'].includes(process.argv[2] ?? '') ? [] : Object.values(COMMANDS)
for (const load of wanted ? [wanted] : needed) program.addCommand(strict(await load()))

try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof CommanderError)) throw error
  process.exitCode = error.exitCode === 0 ? Exit.CLEAN : Exit.UNUSABLE
}

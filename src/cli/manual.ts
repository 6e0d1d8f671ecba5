// SPDX-License-Identifier: GPL-2.0-or-later
/** Shell completion (`lastput completion`) and the man page, both generated from the commands' help. */
import { Argument, Command, type Option } from 'commander'
import { Exit } from './exit-codes.ts'

const SHELLS = ['bash', 'zsh', 'fish'] as const
type Shell = (typeof SHELLS)[number]

const NOTES = `
Examples:
  lastput completion bash > ~/.local/share/bash-completion/completions/lastput
  lastput completion fish > ~/.config/fish/completions/lastput.fish
  source <(lastput completion zsh)               in ~/.zshrc

Exit codes: 0 printed, 2 usage.`

/** The command that prints a completion script. @param all returns the program with all commands */
export function completionCommand(all: () => Promise<Command>): Command {
  return new Command('completion')
    .description('print what makes a shell complete commands and options')
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
    .addHelpText('after', NOTES)
    .action(async (shell: Shell) => {
      process.stdout.write(completion(await all(), shell))
      process.exitCode = Exit.CLEAN
    })
}

/** The command that prints the man page. The build runs it, and npm installs its output. */
export function manCommand(all: () => Promise<Command>, version: string): Command {
  return new Command('man').action(async () => {
    process.stdout.write(manPage(await all(), version))
    process.exitCode = Exit.CLEAN
  })
}

export function completion(program: Command, shell: Shell): string {
  if (shell === 'fish') return fishCompletion(program)
  const compatible = 'autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n'
  return (shell === 'zsh' ? compatible : '') + bashCompletion(program)
}

const longOf = (option: Option): string => option.long ?? option.short ?? ''
const takesValue = (option: Option): boolean => option.required || option.optional

function bashCompletion(program: Command): string {
  const commands = program.commands
  const values = commands.flatMap(command =>
    command.options
      .filter(takesValue)
      .map(option => [`'${command.name()} ${longOf(option)}'`, words(option.argChoices)] as const),
  )
  return `_lastput() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" command="\${COMP_WORDS[1]}"
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W ${wordList([...commands.map(c => c.name()), '--help', '--version'])} -- "$cur"))
    return
  fi
  case "$command $prev" in
${values.map(([at, choices]) => `    ${at}) COMPREPLY=($(compgen ${choices} -- "$cur")); return ;;`).join('\n')}
  esac
  case "$cur" in
    -*)
      case "$command" in
${commands
  .map(
    c =>
      `        ${c.name()}) COMPREPLY=($(compgen -W ${wordList([...c.options.map(longOf), '--help'])} -- "$cur")) ;;`,
  )
  .join('\n')}
      esac
      return
      ;;
  esac
  case "$command" in
${commands
  .filter(c => argumentWords(c).length > 0)
  .map(c => `    ${c.name()}) COMPREPLY=($(compgen -f -W ${wordList(argumentWords(c))} -- "$cur")); return ;;`)
  .join('\n')}
  esac
  COMPREPLY=($(compgen -f -- "$cur"))
}
complete -o filenames -F _lastput lastput
`
}

/** Arguments of compgen for an option's value: its choices, or file names where it has none. */
const words = (choices: readonly string[] | undefined): string => (choices ? `-W ${wordList(choices)}` : '-f')

/** Quotes a list of words for compgen, which expands it like a shell: protocol C' has a quote in its name. */
function wordList(words: readonly string[]): string {
  const list = words.map(word => word.replace(/[^\w.,:=@%+/-]/g, '\\$&')).join(' ')
  return `'${list.replace(/'/g, `'\\''`)}'`
}

const argumentWords = (command: Command): string[] =>
  command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices)

function fishCompletion(program: Command): string {
  const lines = program.commands.flatMap(command => {
    const name = command.name()
    const within = `complete -c lastput -n '__fish_seen_subcommand_from ${name}'`
    return [
      `complete -c lastput -n __fish_use_subcommand -f -a ${name} -d ${fishText(command.description())}`,
      ...argumentWords(command).map(word => `${within} -f -a ${fishText(word)}`),
      ...command.options.map(option => {
        const value = option.argChoices
          ? ` -x -a ${fishText(option.argChoices.map(word => word.replace(/'/g, "\\\\'")).join(' '))}`
          : takesValue(option)
            ? ' -r'
            : ''
        return `${within} -l ${longOf(option).replace(/^--/, '')}${value} -d ${fishText(option.description)}`
      }),
    ]
  })
  return `${lines.join('\n')}\n`
}

const fishText = (text: string): string => `'${text.replace(/[\\']/g, '\\$&')}'`

/** The man page, in the macros of man(7). */
export function manPage(program: Command, version: string): string {
  const named = program.name()
  return [
    `.TH ${named.toUpperCase()} 1 "" "${named} ${version}"`,
    '.SH NAME',
    `${named} \\- ${roff(program.description())}`,
    '.SH SYNOPSIS',
    `.B ${named}`,
    '.I command',
    '[options]',
    ...preformatted(afterHelp(program)),
    '.SH COMMANDS',
    ...program.commands.flatMap(commandPage),
    '',
  ].join('\n')
}

function commandPage(command: Command): string[] {
  const help = command.createHelp()
  const term = (name: string, text: string) => ['.TP', `.B ${roff(name)}`, roff(text)]
  return [
    `.SS ${roff(`lastput ${command.name()} ${command.usage()}`)}`,
    roff(command.description()),
    ...help.visibleArguments(command).flatMap(argument => term(argument.name(), help.argumentDescription(argument))),
    ...help.visibleOptions(command).flatMap(option => term(help.optionTerm(option), help.optionDescription(option))),
    ...preformatted(afterHelp(command)),
  ]
}

/** Returns the help text that follows a command's usage and options. */
function afterHelp(command: Command): string {
  let text = ''
  const before = command.configureOutput()
  command.configureOutput({ ...before, writeOut: part => (text += part) })
  command.outputHelp()
  command.configureOutput(before)
  return text.slice(command.helpInformation().length).trim()
}

const preformatted = (text: string): string[] =>
  text === '' ? [] : ['.PP', '.nf', ...text.split('\n').map(line => roff(line)), '.fi']

/** Escapes text for roff: backslashes, hyphens, and characters that begin a request at the start of a line. */
function roff(text: string): string {
  const safe = text.replace(/\\/g, '\\e').replace(/-/g, '\\-')
  return /^[.']/.test(safe) ? `\\&${safe}` : safe
}

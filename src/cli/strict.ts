// SPDX-License-Identifier: GPL-2.0-or-later
/** Strict options: an option that is given twice, without a value, or with another option as its value is refused. */
import { type Command, InvalidArgumentError, type Option } from 'commander'
import { complain } from './complain.ts'

/** Options that may be given again: their values are collected. */
const repeatables = new WeakSet<Option>()

/** Marks an option as repeatable. Its parser has to collect the values. */
export function repeatable(option: Option): Option {
  repeatables.add(option)
  return option
}

/** Makes a command's options strict, and prints its usage errors like all other errors. */
export function strict(command: Command): Command {
  const outputError = (text: string) => complain(`lastput ${command.name()}`, text.replace(/^error: /, ''))
  for (const option of command.options) if (option.required || option.optional) makeStrict(option)
  return command.exitOverride().configureOutput({ outputError })
}

function makeStrict(option: Option): void {
  const parse = option.parseArg
  let given = 0
  option.parseArg = <T>(value: string, previous: T): T => {
    if (given++ > 0 && !option.variadic && !repeatables.has(option))
      throw new InvalidArgumentError(`${option.long} is given twice`)
    if (value.trim() === '') throw new InvalidArgumentError('expected a value, found nothing')
    if (/^--?[a-z]/i.test(value)) throw new InvalidArgumentError('expected a value, found an option')
    return parse ? parse(value, previous) : (value as T)
  }
}

/** Parses the name of an output file. */
export function outputFile(path: string): string {
  if (path === '-') throw new InvalidArgumentError('expected the name of a file: standard output has the answer')
  return path
}

// SPDX-License-Identifier: GPL-2.0-or-later
import { wrap } from '../report/words.ts'

/** Prints an error on stderr, wrapped to lines that fit a mail, with unprintable characters of names escaped. */
export function complain(who: string, message: string): void {
  const [first = '', ...more] = message.trimEnd().split('\n')
  const lines = [...wrap(`${who}: ${first}`, '', '  '), ...more.flatMap(line => wrap(line.trim(), '  ', '  '))]
  process.stderr.write(`${lines.join('\n')}\n`)
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** `lastput explain`: what a refcount protocol asks of a page, and the life of a page under it. */
import { Command } from 'commander'
import { protocols } from '../linux/index.ts'
import { explainText } from '../report/explain.ts'
import { protocolOf, UsageError } from './model-file.ts'

export function explainCommand(): Command {
  return new Command('explain')
    .description('a refcount protocol in words, and the life of a page under it')
    .argument('[protocol]', `${protocols.map(p => p.id).join(', ')}, a name, or the path of a file; all without one`)
    .action(explain)
}

async function explain(name: string | undefined): Promise<void> {
  try {
    const wanted = name === undefined ? protocols : [await protocolOf(name)]
    process.stdout.write(wanted.map(explainText).join('\n'))
  } catch (e) {
    if (!(e instanceof UsageError)) throw e
    process.stderr.write(`lastput explain: ${e.message}\n`)
    process.exitCode = 2
  }
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** `lastput explain`: what a refcount protocol asks of a page, and the life of a page under it. */
import { Command } from 'commander'
import { protocols } from '../linux/index.ts'
import { explainJson, explainText } from '../report/explain.ts'
import { guardedModel, protocolOf } from './model-file.ts'
import { writeReport } from './write-report.ts'

export function explainCommand(): Command {
  return new Command('explain')
    .description('a refcount protocol in words, and the life of a page under it')
    .argument('[protocol]', `${protocols.map(p => p.id).join(', ')}, a name, or the path of a file; all without one`)
    .option('--json', 'lastput.explain/1')
    .option(
      '--html <file>',
      'write the lives as diagrams, two protocols side by side, as one file that any browser opens',
    )
    .action((name: string | undefined, flags: { json?: boolean; html?: string }) =>
      guardedModel('explain', () => explain(name, flags)),
    )
}

async function explain(name: string | undefined, flags: { json?: boolean; html?: string }): Promise<number> {
  const wanted = name === undefined ? protocols : [await protocolOf(name)]
  if (flags.html !== undefined) await writeReport(flags.html, explainJson(wanted), 'lastput explain')
  const json = () => `${JSON.stringify(explainJson(wanted), null, 2)}\n`
  process.stdout.write(flags.json ? json() : wanted.map(explainText).join('\n'))
  return 0
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** `lastput explain`: what a refcount protocol asks of a page, and the life of a page under it. */
import { Command } from 'commander'
import { protocols } from '../linux/index.ts'
import { explainJson, explainText } from '../report/explain.ts'
import { Exit } from './exit-codes.ts'
import { bounded, guardedModel, protocolOf } from './model-file.ts'
import { outputFile } from './strict.ts'
import { writeReport } from './write-report.ts'

const NOTES = `
Examples:
  lastput explain G                       the rule of today's kernels
  lastput explain --html protocols.html   all of them, to look at side by side

Exit codes: 0 told, 2 usage.`

export function explainCommand(): Command {
  return new Command('explain')
    .description('a refcount protocol in words, and the life of a page under it')
    .argument('[protocol]', `${protocols.map(p => p.id).join(', ')}, a name, or the path of a file; all without one`)
    .option('--json', 'JSON (schema lastput.explain/1)')
    .option(
      '--html <file>',
      'write the lives as diagrams, two protocols side by side, as one file that any browser opens',
      outputFile,
    )
    .addHelpText('after', NOTES)
    .action((name: string | undefined, flags: { json?: boolean; html?: string }) =>
      guardedModel('explain', () => explain(name, flags)),
    )
}

async function explain(name: string | undefined, flags: { json?: boolean; html?: string }): Promise<Exit> {
  const wanted = name === undefined ? protocols : [await protocolOf(name)]
  const whose = name ?? 'a protocol'
  const json = bounded(whose, () => explainJson(wanted))
  const text = () => bounded(whose, () => wanted.map(explainText).join('\n'))
  process.stdout.write(flags.json ? `${JSON.stringify(json, null, 2)}\n` : text())
  if (flags.html !== undefined) await writeReport(flags.html, json, 'lastput explain')
  return Exit.CLEAN
}

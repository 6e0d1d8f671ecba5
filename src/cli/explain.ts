// SPDX-License-Identifier: GPL-2.0-or-later
/** `lastput explain`: explains a refcount protocol, with the life of a page under it, or a promise. */
import { Command } from 'commander'
import { kindOf } from '../ledger/findings/kinds.ts'
import { protocols } from '../linux/index.ts'
import { PROMISES, presentId, promiseOf } from '../promises/promises.ts'
import { explainJson, explainText } from '../report/explain.ts'
import { promiseText } from '../report/promises.ts'
import { UsageError } from './errors.ts'
import { Exit } from './exit-codes.ts'
import { bounded, protocolOf } from './model-file.ts'
import type { ModelHost } from './model-host.ts'
import { modelCommand } from './model-thread.ts'
import { outputFile } from './strict.ts'
import { writeReport } from './write-report.ts'

const NOTES = `
Examples:
  lastput explain G                       the rule of today's kernels
  lastput explain touch-after-free        a promise, and what checks it
  lastput explain --html protocols.html   all of them, to look at side by side

Exit codes: 0 shown, 2 wrong usage.`

export interface ExplainFlags {
  json?: boolean
  html?: string
}

export function explainCommand(): Command {
  return new Command('explain')
    .description('explain a refcount protocol, with the life of a page under it, or a promise')
    .argument(
      '[name]',
      `a protocol: ${protocols.map(p => p.id).join(', ')}, its name, or the path of a file; all without one. ` +
        `Or a promise: ${PROMISES.map(p => p.id).join(', ')}`,
    )
    .option('--json', 'JSON (schema lastput.explain/2)')
    .option('--html <file>', 'write diagrams of two protocols side by side, as one file for any browser', outputFile)
    .addHelpText('after', NOTES)
    .action((name: string | undefined, flags: ExplainFlags) =>
      modelCommand({ command: 'explain', name, flags }, host => answerExplain(name, flags, host)),
    )
}

/** Runs the command, in the main thread or in the thread that was started for the user's model. */
export async function answerExplain(name: string | undefined, flags: ExplainFlags, host: ModelHost): Promise<Exit> {
  // The name of a kind of finding stands for the promise that such a finding reports as broken.
  const promise = name === undefined ? undefined : promiseOf(kindOf(name)?.promise ?? name)
  if (promise && flags.html !== undefined) throw new UsageError('--html shows protocols: leave it out for a promise')
  if (promise) return show(explainJson([], [promise]), () => promiseText(promise), flags)
  refuseFormer(name)
  const wanted = name === undefined ? protocols : [await protocolOf(name, host)]
  const whose = name ?? 'a protocol'
  const json = bounded(whose, host, () => explainJson(wanted, name === undefined ? PROMISES : []))
  return show(json, () => bounded(whose, host, () => wanted.map(explainText).join('\n')), flags)
}

async function show(json: object, text: () => string, flags: ExplainFlags): Promise<Exit> {
  process.stdout.write(flags.json ? `${JSON.stringify(json, null, 2)}\n` : text())
  if (flags.html !== undefined) await writeReport(flags.html, json, 'lastput explain')
  return Exit.CLEAN
}

/** @throws UsageError for an id that a promise had in an earlier version; its message gives the present id. */
function refuseFormer(name: string | undefined): void {
  const present = name === undefined ? undefined : presentId(name)
  if (present !== undefined) throw new UsageError(`the promise "${name}" is called ${present} now`)
}

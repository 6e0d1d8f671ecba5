// SPDX-License-Identifier: GPL-2.0-or-later
/** `npm run findings`: regenerates the tables of docs/findings.md (kinds of findings, promises) from their registries. */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { KindOfFinding } from '../src/ledger/findings/finding-kind.ts'
import { KINDS } from '../src/ledger/findings/registry.ts'
import { type KernelPromise, PROMISES, promiseOf } from '../src/promises/promises.ts'
import { promiseJson } from '../src/report/promises.ts'

const FILE = 'docs/findings.md'

/** The markers around a table in the document. */
const marks = (of: string) =>
  [`<!-- ${of}: this table is made by npm run findings -->`, `<!-- end of ${of} -->`] as const

/** The table of kinds, as lines of Markdown. */
export function findingsTable(kinds: readonly KindOfFinding[] = KINDS): string {
  const row = ({ id, accuses, promise, docs }: KindOfFinding) =>
    `| \`${id}\` | ${accuses ? 'accuses' : 'reports'} | ${promiseOf(promise)!.rule} | ${docs} |`
  return ['| finding | | the promise | found by |', '|---|---|---|---|', ...kinds.map(row)].join('\n')
}

/** The table of promises, as lines of Markdown. */
export function promisesTable(promises: readonly KernelPromise[] = PROMISES): string {
  const ids = (list: readonly string[]) => list.map(id => `\`${id}\``).join(', ')
  const row = (promise: KernelPromise) => {
    const { id, rule, kernel, isChecked, partOf, findings } = promiseJson(promise)
    const check = isChecked ? 'yes' : `as ${ids(partOf)}`
    return `| \`${id}\` | ${rule} | ${kernel.file}, \`${kernel.function}()\`, ${kernel.commit} | ${check} | ${ids(findings)} |`
  }
  return ['| promise | rule | in the kernel | model | findings |', '|---|---|---|---|---|', ...promises.map(row)].join(
    '\n',
  )
}

/** Returns the document with its tables replaced. */
export function withTables(document: string, kinds: string, promises: string): string {
  return withTable(withTable(document, 'kinds', kinds), 'promises', promises)
}

function withTable(document: string, of: string, table: string): string {
  const [begin, end] = marks(of)
  const [from, to] = [document.indexOf(begin), document.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`${FILE} has lost the marks around its table of ${of}`)
  return `${document.slice(0, from)}${begin}\n\n${table}\n\n${document.slice(to)}`
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(FILE, withTables(readFileSync(FILE, 'utf8'), findingsTable(), promisesTable()))

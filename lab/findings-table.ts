// SPDX-License-Identifier: GPL-2.0-or-later
/** Writes the table of docs/findings.md anew from the registry of kinds. `npm run findings` */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { KindOfFinding } from '../src/ledger/findings/finding-kind.ts'
import { KINDS } from '../src/ledger/findings/registry.ts'

const FILE = 'docs/findings.md'
const BEGIN = '<!-- kinds: this table is made by npm run findings -->'
const END = '<!-- end of kinds -->'

/** The table, as lines of Markdown. */
export function findingsTable(kinds: readonly KindOfFinding[] = KINDS): string {
  const row = ({ id, accuses, promise, docs }: KindOfFinding) =>
    `| \`${id}\` | ${accuses ? 'accuses' : 'reports'} | ${promise} | ${docs} |`
  return ['| finding | | the promise | found by |', '|---|---|---|---|', ...kinds.map(row)].join('\n')
}

/** The document with another table. */
export function withTable(document: string, table: string): string {
  const [from, to] = [document.indexOf(BEGIN), document.indexOf(END)]
  if (from < 0 || to < from) throw new Error(`${FILE} has lost the marks around its table`)
  return `${document.slice(0, from)}${BEGIN}\n\n${table}\n\n${document.slice(to)}`
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(FILE, withTable(readFileSync(FILE, 'utf8'), findingsTable()))

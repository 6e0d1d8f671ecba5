// SPDX-License-Identifier: GPL-2.0-or-later
// All that speaks of kinds of findings follows the registry: a kind that is added there is known everywhere.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { findingsTable, promisesTable, withTables } from '../../lab/findings-table.ts'
import type { Finding } from '../../src/ledger/findings/finding.ts'
import type { KindOfFinding } from '../../src/ledger/findings/finding-kind.ts'
import { KINDS } from '../../src/ledger/findings/registry.ts'
import { promiseOf } from '../../src/promises/promises.ts'
import { accountOf, finding } from '../support/account.ts'

const root = join(import.meta.dirname, '../..')

test('kinds have names of their own', () => {
  expect(new Set(KINDS.map(kind => kind.id)).size).toBe(KINDS.length)
})

test('the schema has them all, in their order', () => {
  const schema = JSON.parse(readFileSync(join(root, 'docs/schema/lastput.trace-3.schema.json'), 'utf8'))
  expect(schema.$defs.finding.properties.kind.enum).toEqual(KINDS.map(kind => kind.id))
})

test('docs/findings.md has them all (`npm run findings` makes it so)', () => {
  const document = readFileSync(join(root, 'docs/findings.md'), 'utf8')
  expect(document).toBe(withTables(document, findingsTable(), promisesTable()))
})

test.each(KINDS.map(kind => [kind.id, kind as KindOfFinding] as const))(
  '%s says of one page and of many',
  (_, kind) => {
    const said = { who: 'X', pages: 'page 0x1', isMany: false, references: 1, isKnown: true }
    for (const each of [
      said,
      { ...said, references: 7 },
      { ...said, isKnown: false, references: 0 },
      { ...said, pages: '200 pages', isMany: true, references: 200 },
    ]) {
      const sentence = kind.sentence(each)
      expect(sentence).not.toMatch(/undefined|\.$| {2}/)
      // What waits for no page names none.
      if (each.references > 0) expect(sentence).toContain(each.pages)
    }
  },
)

describe('a kind that is added to the registry', () => {
  const dummy: KindOfFinding = {
    id: 'page-sulks',
    promise: 'count-mismatch',
    isEvidence: true,
    accuses: true,
    shownBy: 'counts',
    sentence: ({ who, pages }) => `${who} made ${pages} sulk`,
    countedWhen: 'when it sulked',
    help: 'a page in a bad mood',
    docs: 'a page that sulks',
  }

  beforeAll(() => {
    vi.resetModules()
    vi.doMock('../../src/ledger/findings/registry.ts', () => ({ KINDS: [...KINDS, dummy] }))
  })
  afterAll(() => {
    vi.doUnmock('../../src/ledger/findings/registry.ts')
    vi.resetModules()
  })

  test('is in text, JSON, causes, help and documentation, and makes the exit code 1', async () => {
    const { hasAccusation, traceText } = await import('../../src/report/trace.ts')
    const { select } = await import('../../src/report/filter.ts')
    const { traceJson } = await import('../../src/report/trace-json.ts')
    const { traceCommand } = await import('../../src/cli/trace.ts')
    const table = await import('../../lab/findings-table.ts')
    const made = select(accountOf([finding('page-sulks' as Finding['kind'])], []), {})
    expect(hasAccusation(made)).toBe(true)
    expect(traceText(made, []).join('\n')).toContain(
      '1. page-sulks (fault certain): an unknown site (no stack) made page 0x1000 sulk.\n   count 1 when it sulked; an idle page has 0',
    )
    expect(traceJson(made, [])).toMatchObject({ findings: [{ kind: 'page-sulks' }], causes: [{ kind: 'page-sulks' }] })
    let help = ''
    traceCommand()
      .configureOutput({ writeOut: text => (help += text) })
      .outputHelp()
    expect(help).toMatch(/^ {2}page-sulks +a page in a bad mood$/m)
    expect(table.findingsTable()).toContain(
      `| \`page-sulks\` | accuses | ${promiseOf('count-mismatch')!.rule} | a page that sulks |`,
    )
  })
})

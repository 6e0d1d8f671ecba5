// SPDX-License-Identifier: GPL-2.0-or-later
// The tables that --parquet writes, read by DuckDB: what they hold, and that the queries of docs/export.md run.

import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { accountAndExport } from '../../src/cli/export.ts'
import { TABLE_NAMES } from '../../src/export/parquet.ts'
import type { Account } from '../../src/ledger/account.ts'
import { openFile } from '../../src/node/open.ts'
import { pageLives } from '../../src/report/life.ts'

const root = join(import.meta.dirname, '../..')
const LEAK = join(root, 'examples/leak-6.12/trace.dat')

type Rows = Record<string, unknown>[]

let folder: string
let account: Account
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lastput-parquet-'))
  const recording = await openFile(LEAK)
  account = (await accountAndExport(recording, { parquet: folder }, {})).account
  await recording.close()
})
afterAll(() => rmSync(folder, { recursive: true }))

/** Runs a query whose files are named without a folder. */
async function query(sql: string): Promise<Rows> {
  const connection = await (await DuckDBInstance.create(':memory:')).connect()
  try {
    const here = sql.replace(/'([\w*/]+\.parquet)'/g, (_, file: string) => `'${join(folder, file)}'`)
    return (await connection.runAndReadAll(here)).getRowObjectsJson() as Rows
  } finally {
    connection.closeSync()
  }
}

describe('the tables have what the recording has', () => {
  it('every event, in order of time', async () => {
    const [row] = await query(`SELECT count(*) AS n, min(time) AS first, max(time) AS last FROM 'events.parquet'`)
    expect(row).toEqual({ n: String(account.events + account.skipped), first: 5.935053994, last: expect.any(Number) })
    const [order] = await query(
      `SELECT count(*) AS n FROM (SELECT time - lag(time) OVER (ORDER BY file_row_number) AS step
       FROM read_parquet('events.parquet', file_row_number = true)) WHERE step < 0`,
    )
    expect(order).toEqual({ n: '0' })
  })

  it('the findings of the account', async () => {
    const rows = await query(
      `SELECT kind, accuses, printf('0x%x', pfn) AS pfn, culprit, certainty FROM 'findings.parquet'`,
    )
    expect(rows).toEqual([
      { kind: 'leak', accuses: true, pfn: '0xfcf83fc', culprit: 'zdbug_bug_leak_get+0x30', certainty: 'likely' },
    ])
  })

  it('lifetimes and references that lastput life tells of a page', async () => {
    const pfn = 0xfcf83fc
    const recording = await openFile(LEAK)
    const lives = await pageLives(recording, pfn, {})
    await recording.close()
    const rows = await query(`SELECT began, ended, events FROM 'lives.parquet' WHERE pfn = ${pfn} ORDER BY life`)
    expect(rows).toEqual(lives!.lifetimes.map(life => ({ ...life, events: life.events.length })))
    const gets = lives!.lifetimes.flatMap(({ events }) => events.filter(({ val }) => val > 0))
    const given = gets.filter(({ partner }) => partner !== null)
    const [counted] = await query(
      `SELECT count(taken) AS taken, count(*) FILTER (given IS NOT NULL AND taken IS NOT NULL) AS given
       FROM 'references.parquet' WHERE pfn = ${pfn}`,
    )
    expect(counted).toEqual({ taken: String(gets.length), given: String(given.length) })
  })

  it('a stack for each event that has one', async () => {
    const [row] = await query(
      `SELECT count(*) AS n FROM 'events.parquet' WHERE stack IS NOT NULL
       AND stack NOT IN (SELECT stack FROM 'stacks.parquet')`,
    )
    expect(row).toEqual({ n: '0' })
  })
})

describe('a folder that cannot be used is named, and does not keep the command', () => {
  const exportTo = (parquet: string) =>
    spawnSync(process.execPath, [join(root, 'dist/cli/main.js'), 'trace', LEAK, '--parquet', parquet], {
      encoding: 'utf8',
      timeout: 60_000,
    })

  it.each([
    [LEAK, 'is a file, where a folder is expected'],
    ['/proc/lastput', 'no such file or directory'],
    [join(tmpdir(), 'lastput-none/none'), 'no such file or directory'],
  ])('%s', (parquet, message) => {
    const { status, stderr } = exportTo(parquet)
    expect([status, stderr.replace(/\s+/g, ' ')]).toEqual([2, `lastput trace: ${parquet}: ${message} `])
  })
})

describe('the queries of docs/export.md', () => {
  const queries = [...readFileSync(join(root, 'docs/export.md'), 'utf8').matchAll(/```sql\n(.*?)```/gs)].map(m => m[1]!)

  it.each(queries.map((sql, i) => [i, sql]))('%i', async (_, sql) => {
    mkdirSync(join(folder, 'fleet/one'), { recursive: true })
    for (const table of TABLE_NAMES)
      cpSync(join(folder, `${table}.parquet`), join(folder, `fleet/one/${table}.parquet`))
    expect(await query(sql)).not.toEqual([])
  })

  it('find the leak of the example', async () => {
    const [first] = await query(queries[0]!)
    expect(first).toEqual({ taken_at: 'zdbug_bug_leak_get+0x30', taken: '1', still_out: '1' })
  })
})

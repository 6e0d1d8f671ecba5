// SPDX-License-Identifier: GPL-2.0-or-later
/** The recordings of real kernels in the shared data. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { SHARED } from './data.ts'

export interface ExpectedFinding {
  kind: string[]
  pfn: string
  /** Functions that are right to accuse; absent if the compiler left no name. */
  function?: string[]
  optional?: boolean
}

/** The truth about a recording. shared/data/README.md documents the fields. */
export interface DataTruth {
  kernel: string
  scenario: string
  expect?: ExpectedFinding[]
  cascade?: boolean | 'any'
  events?: number
  droppedMarkers?: number
  pfnRanges?: { pfn_first: string; pfn_end_exclusive: string; type?: string; free_count?: number }[]
  countsAtEnd?: Record<string, number>
  /** Counts of pages that were still in use when the driver was at rest, by pfn. */
  countsNotIdleWhenSettled?: Record<string, number>
}

export interface DataRecording {
  /** "6.12/zdbug-leak", followed by the name of the file if a folder has several. */
  name: string
  file: string
  kallsyms: string | undefined
  truth: DataTruth
}

const RECORDINGS = /^(trace\.dat|trace\.txt|ftrace-stacks\.txt|perf\.data)$/

/** All recordings; an empty list if the shared data is missing. */
export function dataRecordings(): DataRecording[] {
  const data = join(SHARED, 'data')
  if (!existsSync(data)) return []
  const folders = readdirSync(data)
    .flatMap(kernel => (kernel.includes('.md') ? [] : readdirSync(join(data, kernel)).map(name => `${kernel}/${name}`)))
    .filter(name => existsSync(join(data, name, 'truth.json')))
  return folders.flatMap(name => {
    const folder = join(data, name)
    const truth = JSON.parse(readFileSync(join(folder, 'truth.json'), 'utf8')) as DataTruth
    const files = readdirSync(folder, { withFileTypes: true })
      .filter(entry => entry.isFile() && RECORDINGS.test(entry.name))
      .map(({ name: file }) => file)
    const symbols = join(folder, 'kallsyms.txt')
    return files.map(file => ({
      name: files.length > 1 ? `${name}/${file}` : name,
      file: join(folder, file),
      kallsyms: existsSync(symbols) ? symbols : undefined,
      truth,
    }))
  })
}

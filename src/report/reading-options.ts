// SPDX-License-Identifier: GPL-2.0-or-later
/** How a recording that a report holds is to be read, as JSON, which has no form for addresses and maps. */
import type { OpenOptions } from '../trace/events.ts'

type Formless = Pick<OpenOptions, 'vmemmap' | 'startCounts' | 'endCounts'>
type Counts = [pfn: number, count: number][]

export interface FormlessJson {
  vmemmap?: string
  startCounts?: Counts
  endCounts?: Counts
}

export function readingOptionsJson<T extends Formless>(options: T): Omit<T, keyof Formless> & FormlessJson {
  const { vmemmap, startCounts, endCounts, ...rest } = options
  const told: FormlessJson = {}
  if (vmemmap !== undefined) told.vmemmap = `0x${vmemmap.toString(16)}`
  if (startCounts) told.startCounts = [...startCounts]
  if (endCounts) told.endCounts = [...endCounts]
  return { ...rest, ...told }
}

export function readingOptions<T extends FormlessJson>(json: T): Omit<T, keyof FormlessJson> & Formless {
  const { vmemmap, startCounts, endCounts, ...rest } = json
  const told: Formless = {}
  if (vmemmap !== undefined) told.vmemmap = BigInt(vmemmap)
  if (startCounts) told.startCounts = new Map(startCounts)
  if (endCounts) told.endCounts = new Map(endCounts)
  return { ...rest, ...told }
}

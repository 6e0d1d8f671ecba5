// SPDX-License-Identifier: GPL-2.0-or-later
/** Finds tasks that wait in memunmap_pages(), and the pages that keep them waiting. */
import { type CoreFinding, pageCount } from './finding.ts'
import type { HolderSearch } from './holders/find.ts'
import type { Kernel } from './kernel/kernel.ts'
import { liveStack, returnAddresses, type Task } from './kernel/tasks.ts'
import { mergeRanges } from './memory/elf.ts'
import type { FrameRange } from './memory/physical.ts'
import type { DevicePages, PagemapAccount } from './mm/device-pages.ts'

const WAITS_IN = /^memunmap_pages\b/

export function teardowns(kernel: Kernel, pages: DevicePages, holders: HolderSearch | undefined): CoreFinding[] {
  const killed = pages.pagemaps.flatMap((map, index) => (map.ref?.state === 'dead' ? [{ map, index }] : []))
  if (killed.length === 0 || !holders) return []
  const waiting = holders.tasks.filter(task => !task.running && waits(kernel, task))
  return killed.flatMap(({ map, index }) => {
    const task = waiting.find(each => pointsInto(kernel, each, map))
    const keeping = pagesOf(pages, index)
    if (!task && (map.ref?.references ?? 0n) === 0n) return []
    return [teardown(map, index, keeping, task)]
  })
}

function teardown(map: PagemapAccount, index: number, pages: FrameRange[], task: Task | undefined): CoreFinding {
  const references = map.ref?.references
  const by = task === undefined ? 'its reference count was killed, but no task that waits for it was found' : undefined
  return {
    kind: 'teardown-waits',
    certainty: task ? 'certain' : 'likely',
    pfn: pages[0]?.first ?? map.ranges[0]!.first,
    pages,
    pagemap: index,
    count: Number(references ?? 0n),
    mapcount: 0,
    explained: undefined,
    holders: [],
    evidence: [
      ...(task ? [`${task.name}-${task.pid} sleeps in memunmap_pages() of ${map.driver ?? 'no driver'}`] : []),
      ...(by === undefined ? [] : [by]),
      `the pagemap's own count is ${references ?? 'not in the dump'}; ${pageCount({ pages })} of its pages are in use`,
    ],
  }
}

function waits(kernel: Kernel, task: Task): boolean {
  for (const { name } of returnAddresses(kernel, task)) if (WAITS_IN.test(name)) return true
  return false
}

/**
 * True if a task's stack has a pointer into this pagemap. A task that waits for a pagemap has one, because the completion it
 * waits on is a member of the pagemap.
 */
function pointsInto(kernel: Kernel, task: Task, { address }: PagemapAccount): boolean {
  const stack = liveStack(kernel, task)
  if (!stack) return false
  const end = address + BigInt(kernel.sizeOf('dev_pagemap'))
  const view = new DataView(stack.bytes.buffer, stack.bytes.byteOffset, stack.bytes.byteLength)
  for (let at = 0; at + 8 <= stack.bytes.length; at += 8) {
    const word = view.getBigUint64(at, true)
    if (word >= address && word < end) return true
  }
  return false
}

function pagesOf({ inUse, pagemaps }: DevicePages, index: number): FrameRange[] {
  const { rule } = pagemaps[index]!
  const found: FrameRange[] = []
  for (let row = 0; row < inUse.length; row++) {
    if (inUse.pagemap[row] !== index || inUse.count[row]! <= (rule?.idle ?? 0)) continue
    found.push({ first: inUse.pfn[row]!, end: inUse.pfn[row]! + 2 ** inUse.order[row]! })
  }
  return mergeRanges(found)
}

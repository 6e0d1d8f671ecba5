// SPDX-License-Identifier: GPL-2.0-or-later
import type { FindingKind } from '../ledger/findings.ts'
import { printable } from './printable.ts'

/** What a finding's sentence is made of. */
export interface Said {
  kind: FindingKind
  /** As text, in hex. */
  pfn: string
  references: number
  /** Function of the culprit; undefined where the recording has no stack. */
  who: string | undefined
  /** Whether there is a culprit at all. */
  known: boolean
}

/** One sentence, without a full stop, that says what happened: to be pasted into a mail. */
export function sentence({ kind, pfn, references, who: name, known }: Said): string {
  const who = name === undefined ? 'an unknown site (no stack)' : printable(name)
  const page = `page ${pfn}`
  switch (kind) {
    case 'leak':
      return `${who} took ${references === 1 ? 'a reference' : `${references} references`} to ${page} that never came back`
    case 'held-at-end':
      return known ? `${page} is held by a reference that ${who} took` : `${page} is held`
    case 'teardown-waits':
      if (references === 0) return 'memunmap_pages() waits, and not for a page that is in use'
      return `memunmap_pages() waits for ${page}${known ? `, held by ${who}` : ''}`
    case 'get-on-free-page':
      return `${who} took a reference to ${page} while it was free`
    case 'put-on-free-page':
      return `${who} put ${page} while it was free`
    case 'surplus-put':
      return `${who} put a reference to ${page} that was not its own`
    case 'count-mismatch':
      return `the count of ${page} is not what its events add up to, as seen by ${who}`
    case 'touch-after-free':
      return `${who} touched ${page} after it was freed`
    case 'free-twice':
      return `${who} freed ${page} a second time`
    case 'freed-in-use':
      return `${who} freed ${page} while it was in use`
    case 'pagemap-gone':
      return `memunmap_pages() returned while ${page} was in use${known ? ` by ${who}` : ''}`
    case 'alloc-after-kill':
      return `${who} handed out ${page} after memunmap_pages() began`
    case 'fault-retries':
      return `a fault on ${page} was tried again and again by ${who}`
  }
}

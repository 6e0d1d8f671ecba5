// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The script that records: settings in front of record.sh. It is all that a machine needs, `lastput record` runs the very same, and
 * whatever it makes there it removes, so that there is one place to get that right.
 */

/** Pages, both ends included. */
export interface PfnRange {
  first: number
  last: number
}

export interface RecordSettings {
  /** Pages to be recorded; none: those that `resource` or `pagemap` find on the machine, or all. */
  pages: readonly PfnRange[]
  /** Part of the name of a range of /proc/iomem. */
  resource: string | undefined
  /** A page in the range of /proc/iomem that is meant. */
  pagemap: number | undefined
  /** How: the page_ref events, probes alone, debug registers, or what the kernel has, in that order. */
  means: 'auto' | 'counts' | 'probes' | 'watch'
  /** Functions that hand pages out and get them back, where it is not the core's: `function` or `module:function`. */
  alloc: string | undefined
  free: string | undefined
  /** What writes events to the file. */
  by: 'auto' | 'trace-cmd' | 'tracefs'
  /** A folder that is made for it. */
  out: string
  /** When to stop; undefined: when the command has ended, or by a signal. */
  seconds: number | undefined
  kib: number | undefined
  /** Buffer of each CPU in KiB. */
  buffer: number
  /** Seconds for which four of more pages are watched. */
  turn: number
  /** Where the array of all struct pages begins, where the machine does not tell. */
  vmemmap: string | undefined
  /** How many of the pages are watched, as far apart as they can be; undefined: all of them. */
  sample: number | undefined
}

/** As many ranges fit the filter of an event. */
export const MAX_RANGES = 32

const HEAD = `#!/bin/sh
# Records what becomes of pages of a Linux kernel, for lastput. Made by \`lastput record --dry-run\`; it needs no Node, but root.
#   sh record.sh [COMMAND...]   records until the command has ended, or until Ctrl-C
#   sh record.sh --check        says what this kernel offers, and what would be done
#   sh record.sh --clean        removes what a run that was killed has left
set -u
`

/** @param body the text of record.sh */
export function recordScript(settings: RecordSettings, body: string): string {
  const { pages, resource, pagemap, means, alloc, free, by, out, seconds, kib, buffer, turn, vmemmap, sample } =
    settings
  const values: [name: string, value: string | number | undefined, meaning: string][] = [
    ['pages', pages.map(rangeText).join(' '), 'FIRST-LAST, in page frame numbers'],
    ['resource', resource, 'or the ranges of /proc/iomem with this in their names'],
    ['pagemap', pagemap === undefined ? undefined : hex(pagemap), 'or the range that has this page'],
    ['means', means, 'auto, counts, probes or watch'],
    ['alloc', alloc, 'the function that hands pages out, whose first argument is the page'],
    ['free', free, 'the function that gets them back, likewise'],
    ['by', by, 'auto, trace-cmd or tracefs'],
    ['out', out, 'the folder to be made'],
    ['seconds', seconds, 'after which it stops'],
    ['kib', kib, 'the size at which it stops'],
    ['buffer', buffer, 'KiB for each CPU'],
    ['turn', turn, 'seconds for which four of more pages are watched'],
    ['sample', sample, 'so many of these pages are watched'],
    ['vmemmap', vmemmap, 'address of the array of all struct pages, where the kernel does not tell'],
  ]
  const lines = values.map(([name, value, meaning]) => `${name}=${quoted(String(value ?? ''))} # ${meaning}`)
  return `${HEAD}\n# --- settings\n${lines.join('\n')}\n\n${body}`
}

/** A word of a shell that means itself. */
function quoted(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}

function rangeText({ first, last }: PfnRange): string {
  return `${hex(first)}-${hex(last)}`
}

function hex(n: number): string {
  return `0x${n.toString(16)}`
}

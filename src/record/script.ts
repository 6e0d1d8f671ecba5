// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Generates the recording script: the settings followed by record.sh. The script is all that a target machine needs, and
 * `lastput record` runs the same one. It removes whatever it creates, so that cleaning up is implemented in one place.
 */

/** A range of pages, both ends included. */
export interface PfnRange {
  first: number
  last: number
}

export interface RecordSettings {
  /** Pages to record. If empty, `resource` or `pagemap` selects them on the machine; without these, all pages are recorded. */
  pages: readonly PfnRange[]
  /** Part of the name of a range in /proc/iomem. */
  resource: string | undefined
  /** A pfn that selects the range of /proc/iomem around it. */
  pagemap: number | undefined
  /** How to record: page_ref events, probes only, or debug registers that watch counts; `auto`: the first that the kernel has. */
  means: 'auto' | 'counts' | 'probes' | 'watch'
  /** The functions that allocate and free pages, if they are not those of the mm core: `function` or `module:function`. */
  alloc: string | undefined
  free: string | undefined
  /** The program that writes the events to the file. */
  by: 'auto' | 'trace-cmd' | 'tracefs'
  /** The folder to create for the recording. */
  out: string
  /** Seconds to record; undefined: until the command ends, or until a signal. */
  seconds: number | undefined
  kib: number | undefined
  /** Size of each CPU's buffer, in KiB. */
  buffer: number
  /** Seconds until the debug registers, which can watch four pages at a time, move on to the next pages. */
  turn: number
  /** Address of vmemmap, for machines on which it cannot be found. */
  vmemmap: string | undefined
  /** Number of pages to watch, spread evenly over the chosen ones; undefined: all of them. */
  sample: number | undefined
}

/** Number of ranges that fit into an event's filter in the kernel. */
export const MAX_RANGES = 32

const HEAD = `#!/bin/sh
# Records what becomes of pages of a Linux kernel, for lastput. Made by \`lastput record --dry-run\`; it needs no Node, but root.
#   sh record.sh [COMMAND...]   records until the command has ended, or until Ctrl-C
#   sh record.sh --check        says what this kernel offers, and what would be done
#   sh record.sh --clean        removes what a run that was killed has left
set -u
`

/** Returns the whole script. @param body the text of record.sh */
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

/** Quotes a word for the shell. */
function quoted(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}

function rangeText({ first, last }: PfnRange): string {
  return `${hex(first)}-${hex(last)}`
}

function hex(n: number): string {
  return `0x${n.toString(16)}`
}

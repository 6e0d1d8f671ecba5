// SPDX-License-Identifier: GPL-2.0-or-later
/** How pages and functions are written in reports; times are in src/trace/times.ts. */
import type { Frame } from '../trace/events.ts'
import { printable } from './printable.ts'

export const WIDTH = 80

export function pfnText(pfn: number): string {
  return `0x${pfn.toString(16)}`
}

/** function+offset [module] */
export function frameText(frame: Frame): string {
  const offset = frame.offset === undefined ? '' : `+0x${frame.offset.toString(16)}`
  return `${printable(frame.name)}${offset}${frame.module === undefined ? '' : ` [${printable(frame.module)}]`}`
}

/** Breaks text at blanks so that no line is wider than a mail, unless a word is. Names in it are made {@link printable}. */
export function wrap(text: string, first: string, rest: string): string[] {
  const lines: string[] = []
  let line = printable(first)
  let empty = true
  for (const word of printable(text).split(' ')) {
    if (!empty && line.length + 1 + word.length > WIDTH) {
      lines.push(line)
      line = rest
      empty = true
    }
    line += empty ? word : ` ${word}`
    empty = false
  }
  lines.push(line)
  return lines
}

/** A whole number with commas. Not toLocaleString(), which takes 0.1 s to load its tables. */
export function grouped(n: number): string {
  return n.toString().replace(/\B(?=(\d{3})+$)/g, ',')
}

export function plural(n: number, noun: string): string {
  return `${grouped(n)} ${noun}${n === 1 ? '' : 's'}`
}

/** What the message of a violation says beyond the property's name. */
export function newsOf(property: string, message: string | undefined): string {
  return message === undefined || message === property || message === `${property} does not hold` ? '' : message
}

/** Margin in bits above which the odds are not worth a number. */
const LARGE_MARGIN = 20

/** How much better an attribution is than the second best. @param bits -log2 of the ratio of their probabilities */
export function marginText(bits: number): string {
  if (bits < 1) return `the next best explanation is nearly as likely (${bits.toFixed(1)} bits)`
  const times = bits > LARGE_MARGIN ? 'over a million' : grouped(Math.round(2 ** bits))
  return `the next best explanation is ${times} times less likely (${bits.toFixed(1)} bits)`
}

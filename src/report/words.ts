// SPDX-License-Identifier: GPL-2.0-or-later
/** How pages and functions are written in reports; times are in src/trace/common/times.ts. */
import { baseName } from '../ledger/callsites/symbol-lists.ts'
import type { Frame } from '../trace/events.ts'
import { printable } from './printable.ts'

export const WIDTH = 80

export function pfnText(pfn: number): string {
  return `0x${pfn.toString(16)}`
}

/** Pages from one to another, or one page. */
export function rangeText({ first, last }: { first: number; last: number }): string {
  return first === last ? pfnText(first) : `${pfnText(first)}-${pfnText(last)}`
}

/** A frame as a line of a stack shows it: function+offset [module], the function as the kernel's symbol table has it. */
export function frameText(frame: Frame): string {
  const offset = frame.offset === undefined ? '' : `+0x${frame.offset.toString(16)}`
  return `${printable(frame.name)}${offset}${frame.module === undefined ? '' : ` [${printable(frame.module)}]`}`
}

/** A call site in a sentence: as a line of a stack, without what the compiler appended to the function's name. */
export function siteText(frame: Frame): string {
  return frameText({ ...frame, name: baseName(frame.name) })
}

/** The name of a frame's function without what the compiler appended. */
export function functionName(frame: Frame): string {
  return printable(baseName(frame.name))
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

/** Returns the part of a violation's message that adds to the property's name. */
export function newsOf(property: string, message: string | undefined): string {
  return message === undefined || message === property || message === `${property} does not hold` ? '' : message
}

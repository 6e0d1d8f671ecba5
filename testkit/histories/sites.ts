// SPDX-License-Identifier: GPL-2.0-or-later
/** Stacks like a real kernel's: the tracepoint and the helpers on top, who acted below them, then the way there. */
import type { Frame } from '../../src/trace/events.ts'

const MODULE = 'zd_driver'
const KERNEL_TEXT = 0xffffffff81000000n
const MODULE_TEXT = 0xffffffffc0000000n
const FUNCTION_BYTES = 0x1000n

const starts = new Map<string, bigint>()
const frames = new Map<string, Frame>()

/** A frame from "function+0x1f" or "driver:function+0x1f" (in the module). */
function frame(text: string): Frame {
  let known = frames.get(text)
  if (known === undefined) {
    const [, driver, name, hex] = /^(driver:)?(.+)\+0x([0-9a-f]+)$/.exec(text)!
    let start = starts.get(name!)
    if (start === undefined) {
      start = (driver ? MODULE_TEXT : KERNEL_TEXT) + FUNCTION_BYTES * BigInt(starts.size + 1)
      starts.set(name!, start)
    }
    const offset = Number.parseInt(hex!, 16)
    known = { address: start + BigInt(offset), name: name!, offset, module: driver ? MODULE : undefined }
    frames.set(text, known)
  }
  return known
}

export interface Site {
  /** The function that acted: what a finding must name. */
  function: string
  stack: readonly Frame[]
}

/**
 * A place that changes counts: `acting` is the function that a finding must name, `helpers` stand above it, innermost
 * first, `callers` below.
 */
export function site(event: string, helpers: string, acting: string, callers: string): Site {
  const tracepoint = event === 'set' || event === 'unfreeze' ? 'page_ref_mod' : `page_ref_mod_and_test`
  const texts = [
    `trace_event_raw_event_${tracepoint}_template+0xd0`,
    `__page_ref_${event}+0x3e`,
    ...(helpers === '' ? [] : helpers.split(' ')),
    acting,
    ...callers.split(' '),
  ]
  const stack = texts.map(frame)
  return { function: stack[texts.length - 1 - callers.split(' ').length]!.name, stack }
}

/** Where the core sets the count after a last put: the put's own stack with another tracepoint on top. */
export function afterPut(put: Site): Site {
  const [, acting] = site('set', '', 'free_zone_device_folio+0x8e', 'none+0x0').stack
  return { function: put.function, stack: [put.stack[0]!, acting!, ...put.stack.slice(2)] }
}

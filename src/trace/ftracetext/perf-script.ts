// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Converts the text of perf script to that of ftrace.
 *
 *     insmod   105 [000]     5.966999: page_ref:page_ref_mod: pfn=0xfcf83fc flags=none count=4 mapcount=-1 ... val=1
 *             ffffffff812d95ee __page_ref_mod+0x5e ([kernel.kallsyms])
 *             ffffffffc0006030 zdbug_bug_leak_get+0x30 ([zdbug])
 *
 * Facts of the format: tools/perf/Documentation/perf-script.txt.
 */
import { moduleOfMapping } from '../common/module-name.ts'

/** The head of an event, from the pid on. Runs of blanks are bounded, so that a hostile line takes no longer than others. */
const HEAD =
  /\s(-?\d{1,10})(?:\/(-?\d{1,10}))?\s{1,40}(?:\[(\d{3,9})\]\s{1,40})?(?:\S{4,5}\s{1,40})?(\d{1,20}\.\d{6,9}):\s{1,40}(?:\d{1,20}\s{1,40})?(?:(\w{1,255}):)?(\w{1,255}):(?=\s|$)/
const FRAME = /^\s+([0-9a-f]{4,16})\s/
const SYMBOL = /^(.*?)(?:\+(0x[0-9a-f]+))?(?:\/0x[0-9a-f]+)?$/

/** True if a text is perf script's, judging by its events. In ftrace's text, the name and pid of a task are one word. */
export function isPerfScript(lines: readonly string[]): boolean {
  const areEvents = lines.some(line => HEAD.exec(line)?.[5] !== undefined)
  return areEvents && !lines.some(line => /\S-\d{1,10}\s{1,40}\[\d{3,9}\]/.test(line))
}

export class PerfScript {
  #head = ''
  #isInStack = false

  /** Returns the ftrace lines for a line of perf script, of which there may be none. */
  lines(line: string): string[] {
    const head = HEAD.exec(line)
    const comm = line.slice(0, head?.index).trim()
    if (head && comm !== '') {
      const fields = line.slice(head.index + head[0].length).trimStart()
      return [this.#event(comm, fields, head)]
    }
    const frame = this.#head === '' ? null : FRAME.exec(line)
    if (!frame) {
      if (line.trim() === '') {
        this.#isInStack = false
        return []
      }
      return [line]
    }
    const shown = frameText(frame[1]!, line.slice(frame[0].length).trimEnd())
    if (this.#isInStack) return [shown]
    this.#isInStack = true
    return [`${this.#head}<stack trace>`, shown]
  }

  #event(comm: string, fields: string, [, pid, tid, cpu = '000', time, , name]: RegExpExecArray): string {
    this.#isInStack = false
    this.#head = `${comm.padStart(16)}-${(tid ?? pid!).padEnd(7)} [${cpu}] ..... ${time!.padStart(12)}: `
    return `${this.#head}${name}: ${fields}`
  }
}

/**
 * Formats a frame as tracefs does: " => function+0x10 [module] <address>".
 *
 * @param rest what follows the address: "function+0x10 (file)"
 */
function frameText(address: string, rest: string): string {
  const paren = rest.endsWith(')') ? rest.search(/\s\(/) : -1
  const symbol = (paren < 0 ? rest : rest.slice(0, paren)).trim()
  const [, name = '', offset] = SYMBOL.exec(symbol) ?? []
  const module = paren < 0 ? undefined : moduleOfMapping(rest.slice(paren + 2, -1))
  const isKnown = name !== '' && name !== '[unknown]'
  const shown = isKnown ? `${name}${offset === undefined ? '' : `+${offset}`}` : `0x${address}`
  return ` => ${shown}${module === undefined ? '' : ` [${module}]`} <${address.padStart(16, '0')}>`
}

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

const HEAD =
  /^\s*(\S.*?)\s+(-?\d+)(?:\/(-?\d+))?\s+(?:\[(\d{3,})\]\s+)?(?:\S{4,5}\s+)?(\d+\.\d{6,9}):\s+(?:\d+\s+)?(?:(\w+):)?(\w+):(?:\s+(.*))?$/
const FRAME = /^\s+([0-9a-f]{4,16})\s+(.*?)(?:\s+\((.*)\))?\s*$/
const SYMBOL = /^(.*?)(?:\+(0x[0-9a-f]+))?(?:\/0x[0-9a-f]+)?$/

/** True if a text is perf script's, judging by its events. In ftrace's text, the name and pid of a task are one word. */
export function isPerfScript(lines: readonly string[]): boolean {
  const events = lines.filter(line =>
    /^\s*\S.*?\s+-?\d+(?:\/-?\d+)?\s+(?:\[\d{3,}\]\s+)?(?:\S{4,5}\s+)?\d+\.\d{6,9}:\s+(?:\d+\s+)?\w+:\w+:/.test(line),
  )
  return events.length > 0 && !lines.some(line => /\S-\d+\s+\[\d{3,}\]/.test(line))
}

export class PerfScript {
  #head = ''
  #isInStack = false

  /** Returns the ftrace lines for a line of perf script, of which there may be none. */
  lines(line: string): string[] {
    const head = HEAD.exec(line)
    if (head) return [this.#event(head)]
    const frame = this.#head === '' ? null : FRAME.exec(line)
    if (!frame) {
      if (line.trim() === '') {
        this.#isInStack = false
        return []
      }
      return [line]
    }
    const shown = frameText(frame)
    if (this.#isInStack) return [shown]
    this.#isInStack = true
    return [`${this.#head}<stack trace>`, shown]
  }

  #event([, comm, pid, tid, cpu = '000', time, , name, fields = '']: RegExpExecArray): string {
    this.#isInStack = false
    this.#head = `${comm!.padStart(16)}-${(tid ?? pid!).padEnd(7)} [${cpu}] ..... ${time!.padStart(12)}: `
    return `${this.#head}${name}: ${fields}`
  }
}

/** Formats a frame as tracefs does: " => function+0x10 [module] <address>". */
function frameText([, address, symbol = '', dso = '']: RegExpExecArray): string {
  const [, name = '', offset] = SYMBOL.exec(symbol) ?? []
  const module = /^\[(?!kernel|unknown|guest)([\w-]+)\]$/.exec(dso)?.[1] ?? /([^/]+)\.ko(?:\.\w+)?$/.exec(dso)?.[1]
  const isKnown = name !== '' && name !== '[unknown]'
  const shown = isKnown ? `${name}${offset === undefined ? '' : `+${offset}`}` : `0x${address}`
  return ` => ${shown}${module === undefined ? '' : ` [${module.replaceAll('-', '_')}]`} <${address!.padStart(16, '0')}>`
}

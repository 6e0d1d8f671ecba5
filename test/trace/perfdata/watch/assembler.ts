// SPDX-License-Identifier: GPL-2.0-or-later
/** Machine code as Debian's binutils make it, and as they take it apart. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { run } from '../../../../testkit/data.ts'

/** Machine code of lines of assembly. @param prefix of the programs' names, such as `aarch64-linux-gnu-` */
export function assemble(lines: readonly string[], prefix = '', options: readonly string[] = []): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'lastput-as-'))
  try {
    const [source, object, binary] = ['code.s', 'code.o', 'code.bin'].map(name => join(folder, name)) as [
      string,
      string,
      string,
    ]
    writeFileSync(source, `.text\n${lines.join('\n')}\n`)
    run(`${prefix}as`, [...options, '-o', object, source])
    run(`${prefix}objcopy`, ['-O', 'binary', '-j', '.text', object, binary])
    return Uint8Array.from(readFileSync(binary))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** An instruction as objdump finds it. */
export interface Disassembled {
  bytes: Uint8Array
  text: string
}

/** Instructions of a program or library, as objdump finds them. */
export function* disassembled(path: string): Generator<Disassembled> {
  for (const line of run('objdump', [...DISASSEMBLE, path]).split('\n')) {
    const instruction = parsed(line)
    if (instruction) yield instruction
  }
}

/** The same of a file that is too large to be held; undefined where a function begins. */
export async function* disassembledStream(path: string): AsyncGenerator<Disassembled | undefined> {
  const { stdout } = spawn('objdump', [...DISASSEMBLE, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  for await (const line of createInterface({ input: stdout })) {
    const instruction = parsed(line)
    if (instruction || line === '') yield instruction
  }
}

const DISASSEMBLE = ['-d', '--insn-width=16']

/** What is no instruction is left out. */
function parsed(line: string): Disassembled | undefined {
  const parts = /^\s*[0-9a-f]+:\t((?:[0-9a-f]{2} )+)\s*\t?(.*)$/.exec(line)
  if (!parts || /\(bad\)|^\.byte/.test(parts[2]!)) return undefined
  return { bytes: Uint8Array.from(parts[1]!.trim().split(' '), hex => Number.parseInt(hex, 16)), text: parts[2]! }
}

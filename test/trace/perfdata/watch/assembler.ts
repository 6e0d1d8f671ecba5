// SPDX-License-Identifier: GPL-2.0-or-later
/** Machine code as Debian's binutils make it, and as they take it apart. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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

/** Instructions of a program or library, as objdump finds them: their bytes, and their text. */
export function* disassembled(path: string): Generator<{ bytes: Uint8Array; text: string }> {
  for (const line of run('objdump', ['-d', '--insn-width=16', path]).split('\n')) {
    const parts = /^\s*[0-9a-f]+:\t((?:[0-9a-f]{2} )+)\s*\t?(.*)$/.exec(line)
    if (!parts || /\(bad\)|^\.byte/.test(parts[2]!)) continue
    yield { bytes: Uint8Array.from(parts[1]!.trim().split(' '), hex => Number.parseInt(hex, 16)), text: parts[2]! }
  }
}

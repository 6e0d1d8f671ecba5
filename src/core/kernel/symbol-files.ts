// SPDX-License-Identifier: GPL-2.0-or-later
/** Reads symbols and types from files: System.map, /proc/kallsyms, or a vmlinux with a symbol table and BTF. */
import { CoreError } from '../error.ts'
import { textOf } from '../memory/notes.ts'
import { size64, viewOf } from '../memory/source.ts'
import { type SymbolTable, tableOf } from './kallsyms.ts'
import type { KernelFiles } from './kernel.ts'
import type { Vmcoreinfo } from './vmcoreinfo.ts'

const MOST_SECTIONS = 4096
const SYMBOL_BYTES = 24
const TEXT_START = '_stext'

/**
 * Reads the symbols of a System.map or of /proc/kallsyms.
 * @throws CoreError if `_stext` is not among them
 */
export function systemMap(name: string, text: string): KernelFiles {
  const symbols: { address: bigint; name: string }[] = []
  for (const line of text.split('\n')) {
    const parts = /^([0-9a-f]{8,16}) [a-zA-Z?] (\S+)(?:\s+\[\S+\])?$/.exec(line)
    // Symbols of modules are skipped, because the dump itself has them.
    if (parts && !line.endsWith(']')) symbols.push({ address: BigInt(`0x${parts[1]}`), name: parts[2]! })
  }
  if (!symbols.some(symbol => symbol.name === TEXT_START)) {
    throw new CoreError(name, undefined, 'expected lines such as "ffffffff81000000 T _stext"')
  }
  return { symbols: info => moved(symbols, info) }
}

/**
 * Reads the symbols and the BTF of a vmlinux.
 * @throws CoreError if it is not an ELF file with a symbol table
 */
export function vmlinux(name: string, bytes: Uint8Array): KernelFiles {
  const sections = readSections(name, bytes)
  const [symtab, strtab] = [sections.get('.symtab'), sections.get('.strtab')]
  if (!symtab || !strtab)
    throw new CoreError(name, undefined, 'expected a vmlinux with a symbol table, not a stripped one')
  const symbols: { address: bigint; name: string }[] = []
  const view = viewOf(symtab)
  for (let at = 0; at + SYMBOL_BYTES <= symtab.length; at += SYMBOL_BYTES) {
    const start = view.getUint32(at, true)
    if (view.getUint16(at + 6, true) === 0 || start >= strtab.length) continue
    const symbol = textOf(strtab.subarray(start, Math.min(strtab.length, start + 512)))
    if (symbol !== '') symbols.push({ address: view.getBigUint64(at + 8, true), name: symbol })
  }
  const btf = sections.get('.BTF')
  return { symbols: info => moved(symbols, info), ...(btf ? { btf } : {}) }
}

/** Moves symbols by the offset that KASLR applied, which the address of the start of the text shows. */
function moved(symbols: readonly { address: bigint; name: string }[], info: Vmcoreinfo): SymbolTable {
  const linked = symbols.find(({ name }) => name === TEXT_START)?.address
  const now = info.symbol(TEXT_START)
  const by = linked === undefined || now === undefined ? 0n : now - linked
  // Per-CPU offsets and other absolute values are not moved.
  return tableOf(symbols.map(({ address, name }) => ({ name, address: address >= 1n << 63n ? address + by : address })))
}

function readSections(name: string, bytes: Uint8Array): Map<string, Uint8Array> {
  const refuse = (what: string) => new CoreError(name, 0, `expected a 64-bit little-endian vmlinux: ${what}`)
  if (bytes.length < 64 || bytes[0] !== 0x7f || bytes[1] !== 0x45 || bytes[4] !== 2 || bytes[5] !== 1) {
    throw refuse('this is none (a bzImage must be unpacked first: scripts/extract-vmlinux)')
  }
  const view = viewOf(bytes)
  const [table, entry] = [size64(view, 40), view.getUint16(58, true)]
  const [count, names] = [view.getUint16(60, true), view.getUint16(62, true)]
  if (entry !== 64 || count > MOST_SECTIONS || names >= count || table + count * entry > bytes.length) {
    throw refuse('its section headers are damaged')
  }
  const contents = (i: number) => {
    const [offset, size] = [size64(view, table + i * entry + 24), size64(view, table + i * entry + 32)]
    return offset + size <= bytes.length ? bytes.subarray(offset, offset + size) : new Uint8Array(0)
  }
  const text = contents(names)
  const found = new Map<string, Uint8Array>()
  for (let i = 0; i < count; i++) found.set(textOf(text.subarray(view.getUint32(table + i * entry, true))), contents(i))
  return found
}

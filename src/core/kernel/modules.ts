// SPDX-License-Identifier: GPL-2.0-or-later
/** The loaded modules: their memory, symbols and types. */

import { lowerBound } from '../../util/lower-bound.ts'
import { Btf } from './btf.ts'
import type { Kernel, LoadedModule } from './kernel.ts'
import { listEntries } from './lists.ts'
import { addressOf, has, integer, pointer, text, u32 } from './typed.ts'

const MOST_MODULES = 4096
const MOST_SYMBOLS = 1 << 20
const SYMBOL_BYTES = 24
const MOST_BTF = 1 << 26

export class Module implements LoadedModule {
  readonly name: string
  readonly address: bigint
  readonly #kernel: Kernel
  readonly regions: readonly { base: bigint; size: bigint }[]
  #symbols: { address: bigint; name: string }[] | undefined
  #btf: Btf | undefined | null = null

  constructor(kernel: Kernel, address: bigint) {
    this.#kernel = kernel
    this.address = address
    this.name = text(kernel.at('module', address), 'name')
    this.regions = regionsOf(kernel, address)
  }

  contains(address: bigint): boolean {
    return this.regions.some(({ base, size }) => address >= base && address < base + size)
  }

  /** The module's symbol that an address lies in. */
  at(address: bigint): { name: string; offset: bigint } | undefined {
    this.#symbols ??= this.#kernel.try(`symbols of module ${this.name}`, () => this.#readSymbols()) ?? []
    const symbols = this.#symbols
    const rank = lowerBound(symbols.length, i => symbols[i]!.address <= address)
    const found = symbols[rank - 1]
    return found && this.contains(found.address) ? { name: found.name, offset: address - found.address } : undefined
  }

  /** Address of a symbol of the module. */
  symbol(name: string): bigint | undefined {
    this.at(0n)
    return this.#symbols?.find(each => each.name === name)?.address
  }

  /** Types of the module, on top of vmlinux's; undefined where it has none that can be read. */
  get btf(): Btf | undefined {
    if (this.#btf === null) this.#btf = this.#kernel.try(`BTF of module ${this.name}`, () => this.#readBtf())
    return this.#btf
  }

  #readBtf(): Btf | undefined {
    const module = this.#kernel.at('module', this.address)
    if (!has(module, 'btf_data') || !has(module, 'btf_data_size')) return undefined
    const [at, size] = [pointer(module, 'btf_data'), u32(module, 'btf_data_size')]
    if (at === 0n || size === 0 || size > MOST_BTF) return undefined
    try {
      return new Btf(this.#kernel.memory.bytes(at, size).slice(), this.#kernel.btf)
    } catch (error) {
      if (error instanceof Error && error.name === 'NotInDump') throw error
      return undefined
    }
  }

  #readSymbols(): { address: bigint; name: string }[] {
    const kernel = this.#kernel
    const tables = kernel.at('mod_kallsyms', pointer(kernel.at('module', this.address), 'kallsyms'))
    const count = Math.min(MOST_SYMBOLS, u32(tables, 'num_symtab'))
    const [symtab, strtab] = [pointer(tables, 'symtab'), pointer(tables, 'strtab')]
    const raw = kernel.memory.bytes(symtab, count * SYMBOL_BYTES).slice()
    const view = new DataView(raw.buffer)
    const symbols: { address: bigint; name: string }[] = []
    for (let at = 0; at + SYMBOL_BYTES <= raw.length; at += SYMBOL_BYTES) {
      const address = view.getBigUint64(at + 8, true)
      // Undefined symbols (section 0) belong to other modules or to the kernel.
      if (view.getUint16(at + 6, true) === 0 || !this.contains(address)) continue
      const name = kernel.memory.text(strtab + BigInt(view.getUint32(at, true)))
      if (name !== '') symbols.push({ address, name })
    }
    return symbols.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0))
  }
}

/**
 * Returns the ranges of a module's memory. Since 6.4 (ac3b43283923) they are an array with one entry per kind of memory; before,
 * they were two layouts.
 */
function regionsOf(kernel: Kernel, address: bigint): { base: bigint; size: bigint }[] {
  const module = kernel.at('module', address)
  if (!has(module, 'mem')) {
    const layouts = ['core_layout', 'init_layout'].filter(layout => has(module, `${layout}.base`))
    return layouts.map(layout => ({
      base: pointer(module, `${layout}.base`),
      size: integer(module, `${layout}.size`),
    }))
  }
  const { type } = kernel.btf.member('module.mem')!
  const count = kernel.btf.lengthOf(type) ?? 0
  const bytes = BigInt(kernel.sizeOf('module_memory'))
  return Array.from({ length: Math.min(count, 16) }, (_, i) => {
    const memory = kernel.at('module_memory', addressOf(module, 'mem') + BigInt(i) * bytes)
    return { base: pointer(memory, 'base'), size: integer(memory, 'size') }
  })
}

export function readModules(kernel: Kernel): Module[] {
  const head = kernel.address('modules')
  const offset = kernel.offset('module.list')
  const modules: Module[] = []
  if (head === undefined || offset === undefined) return modules
  for (const address of listEntries(kernel, head, offset, 'the list of modules')) {
    if (modules.length >= MOST_MODULES) break
    const module = kernel.try('a module', () => new Module(kernel, address))
    if (module) modules.push(module)
  }
  return modules
}

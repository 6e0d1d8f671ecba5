// SPDX-License-Identifier: GPL-2.0-or-later
/** The kernel in a dump: its memory, symbols, types and modules, and reads of its structures. */
import type { Arch, KernelRegions } from '../arch/arch.ts'
import { CoreError, type NotInDump, unlessAbsent } from '../error.ts'
import type { Dump } from '../memory/physical.ts'
import { Btf } from './btf.ts'
import { placeInVmcoreinfo, readKallsyms, type SymbolTable } from './kallsyms.ts'
import { searchKallsyms } from './kallsyms-search.ts'
import { locateKernel } from './locate.ts'
import type { VirtualMemory } from './virtual.ts'
import type { Vmcoreinfo } from './vmcoreinfo.ts'

/** Symbols and types from files, for kernels whose memory does not contain them. */
export interface KernelFiles {
  symbols?: ((info: Vmcoreinfo) => SymbolTable) | undefined
  /** Contents of the .BTF section of a vmlinux. */
  btf?: Uint8Array | undefined
}

/** A piece of memory that was needed but is not in the dump. */
export interface Gap {
  /** What was being read, in words. */
  what: string
  absent: NotInDump
}

/** A structure at an address. The functions in typed.ts read its members. */
export interface Typed {
  readonly kernel: Kernel
  readonly struct: string
  readonly address: bigint
}

/** The part of a loaded module that naming addresses needs. modules.ts reads modules. */
export interface LoadedModule {
  readonly name: string
  /** Types of the module, on top of vmlinux's; undefined where it has none that can be read. */
  readonly btf: Btf | undefined
  /** Ranges of the module's code and data. */
  readonly regions: readonly { base: bigint; size: bigint }[]
  contains(address: bigint): boolean
  /** The module's symbol that an address lies in. */
  at(address: bigint): { name: string; offset: bigint } | undefined
  /** Address of a symbol of the module. */
  symbol(name: string): bigint | undefined
}

/** Maximum size of BTF in bytes: some ten times that of distribution kernels. */
const MOST_BTF = 1n << 26n

export class Kernel {
  readonly name: string
  readonly dump: Dump
  readonly info: Vmcoreinfo
  readonly memory: VirtualMemory
  readonly arch: Arch
  readonly symbols: SymbolTable
  readonly btf: Btf
  modules: readonly LoadedModule[] = []
  /** How the kernel, its symbols and its types were found, in words. */
  readonly foundBy: string
  readonly gaps: Gap[] = []
  /** Structures in memory that cannot be right, in words. */
  readonly damage: string[] = []
  #regions: KernelRegions | undefined
  readonly #addresses = new Map<string, bigint | undefined>()
  readonly #offsets = new Map<string, number | undefined>()

  /** @throws CoreError if the dump contains no kernel, or its symbols or types cannot be found */
  constructor(dump: Dump, name: string, files: KernelFiles = {}) {
    const located = locateKernel(dump, name)
    this.name = name
    this.dump = dump
    this.info = located.info
    this.memory = located.memory
    this.arch = located.arch
    this.foundBy = located.foundBy
    this.symbols = files.symbols?.(located.info) ?? this.#symbolsInMemory()
    this.btf = new Btf(files.btf ?? this.#btfInMemory())
  }

  get release(): string {
    return this.info.value('OSRELEASE') ?? 'unknown'
  }

  /** The kernel's regions: direct map, vmalloc, modules and memory map. */
  get regions(): KernelRegions {
    this.#regions ??= this.arch.regions({
      info: this.info,
      space: this.memory.space,
      symbol: name => this.address(name),
      variable: name => {
        const at = this.address(name)
        return at === undefined ? undefined : this.try(name, () => this.memory.u64(at))
      },
    })
    return this.#regions
  }

  /** Address of a symbol of vmlinux. */
  address(name: string): bigint | undefined {
    if (!this.#addresses.has(name)) this.#addresses.set(name, this.symbols.address(name) ?? this.info.symbol(name))
    return this.#addresses.get(name)
  }

  /** Byte offset of a member from BTF or, if BTF lacks it, from VMCOREINFO; undefined if the kernel has no such member. */
  offset(path: string): number | undefined {
    if (!this.#offsets.has(path)) this.#offsets.set(path, this.btf.member(path)?.offset ?? this.info.offset(path))
    return this.#offsets.get(path)
  }

  /** Byte offset of the first of several members that exists in this kernel. */
  offsetOf(...paths: string[]): number | undefined {
    for (const path of paths) {
      const offset = this.offset(path)
      if (offset !== undefined) return offset
    }
    return undefined
  }

  /** As {@link offset}, for a member that is indispensable. @throws CoreError if the kernel does not have it */
  need(path: string): number {
    const offset = this.offset(path)
    if (offset === undefined) throw this.#lacks(`its types have no ${path}`)
    return offset
  }

  sizeOf(struct: string): number {
    const size = this.btf.struct(struct)?.size ?? this.info.size(struct)
    if (size === undefined) throw this.#lacks(`its types have no struct ${struct}`)
    return size
  }

  /** Returns a structure whose members can be read by name. */
  at(struct: string, address: bigint): Typed {
    return { kernel: this, struct, address }
  }

  /** `symbol+offset [module]` of an address in code or data; undefined where none is near. */
  nameOf(address: bigint): string | undefined {
    const module = this.modules.find(each => each.contains(address))
    const symbol = module ? module.at(address) : this.#coreSymbol(address)
    if (!symbol) return undefined
    const offset = symbol.offset === 0n ? '' : `+0x${symbol.offset.toString(16)}`
    return `${symbol.name}${offset}${module ? ` [${module.name}]` : ''}`
  }

  /** Runs work that may meet missing memory. In that case records what is missing and returns undefined. */
  try<T>(what: string, work: () => T): T | undefined {
    return unlessAbsent(work, absent => {
      if (this.gaps.length < 1000) this.gaps.push({ what, absent })
    })
  }

  #coreSymbol(address: bigint): { name: string; offset: bigint } | undefined {
    const [start, end] = [this.address('_stext') ?? this.address('_text'), this.address('_end')]
    if (start === undefined || address < start || (end !== undefined && address >= end)) return undefined
    return this.symbols.at(address)
  }

  #symbolsInMemory(): SymbolTable {
    const place = placeInVmcoreinfo(this.info)
    const known = { name: '_stext', address: this.info.symbol('_stext')! }
    if (!place) {
      const found = searchKallsyms(this.memory, known.address)
      if (found) return found
      throw this.#lacks('its symbol table (kallsyms) was not found in its memory; give --system-map or --vmlinux')
    }
    const table = unlessAbsent(
      () => readKallsyms(this.memory, place, known),
      absent => {
        throw this.#lacks(`its symbol table (kallsyms) is ${absent.message}; give --system-map or --vmlinux`)
      },
    )
    if (!table) throw this.#lacks('its symbol table (kallsyms) is damaged or of an unknown kind; give --system-map')
    return table
  }

  #btfInMemory(): Uint8Array {
    const [start, end] = [this.symbols.address('__start_BTF'), this.symbols.address('__stop_BTF')]
    if (start === undefined || end === undefined) {
      throw this.#lacks('its memory carries no BTF (CONFIG_DEBUG_INFO_BTF); give --vmlinux with the section .BTF')
    }
    if (end - start < 24n || end - start > MOST_BTF) {
      throw this.#lacks(
        `its BTF cannot have ${end - start} bytes, as its symbols say; give --vmlinux with the section .BTF`,
      )
    }
    return unlessAbsent(
      () => this.memory.bytes(start, Number(end - start)),
      absent => {
        throw this.#lacks(`its BTF is ${absent.message}; give --vmlinux`)
      },
    )!
  }

  #lacks(what: string): CoreError {
    return new CoreError(this.name, undefined, `expected a kernel that can be read: ${this.release}: ${what}`)
  }
}

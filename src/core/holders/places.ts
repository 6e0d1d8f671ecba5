// SPDX-License-Identifier: GPL-2.0-or-later
/** Names the place in memory where a pointer to a page was found, and says whether the kernel can still use that memory. */

import { lowerBound } from '../../util/lower-bound.ts'
import type { Holder, HolderKind } from '../finding.ts'
import type { Kernel } from '../kernel/kernel.ts'
import { percpuOffsets } from '../kernel/percpu.ts'
import type { Task } from '../kernel/tasks.ts'
import { FRAME_BYTES } from '../memory/physical.ts'
import type { MemoryMap } from '../mm/memory-map.ts'
import { Bios } from './bios.ts'
import type { FrameUses } from './frames.ts'
import { type RegisteredBuffer, readRegisteredBuffers } from './io-uring.ts'
import { listEntry } from './list-entries.ts'
import { memberAt } from './members.ts'
import { WordForm } from './pointer-search.ts'
import { type SlabObject, SlabReader } from './slab.ts'

export interface Place {
  /** Undefined for memory in which a pointer holds nothing: free and user memory, page tables, and the memory map. */
  readonly holder: Holder | undefined
  /** Kind of the memory that contains the word, whatever the form of the word. */
  readonly kind: HolderKind | undefined
  /** True if the memory is certainly in use; false if it is not; undefined if the word may be a leftover. */
  readonly live: boolean | undefined
  /** Address in the memory map, if the place is in a struct page. */
  readonly memoryMap: bigint | undefined
}

const NOTHING: Place = { holder: undefined, kind: undefined, live: false, memoryMap: undefined }

export class Places {
  readonly #kernel: Kernel
  readonly #uses: FrameUses
  readonly #slabs: SlabReader
  readonly #bios: Bios
  readonly #stacks: readonly Task[]
  readonly #percpu: { from: bigint; to: bigint; base: bigint }[]
  readonly #buffers: readonly RegisteredBuffer[]

  constructor(kernel: Kernel, map: MemoryMap, uses: FrameUses, tasks: readonly Task[]) {
    this.#kernel = kernel
    this.#uses = uses
    this.#slabs = new SlabReader(kernel, map, uses.directMap)
    this.#bios = new Bios(kernel, this.#slabs, page => uses.isSlab(page))
    this.#stacks = tasks
      .filter(task => task.stackBytes > 0)
      .sort((a, b) => (a.stack < b.stack ? -1 : a.stack > b.stack ? 1 : 0))
    this.#percpu = percpuAreas(kernel)
    this.#buffers = readRegisteredBuffers(kernel, tasks)
  }

  /**
   * @param physical address of the word
   * @param form a WordForm: how the word refers to the page
   */
  at(physical: number, form: number): Place {
    const frame = Math.floor(physical / FRAME_BYTES)
    const image = this.#inImage(physical)
    if (image !== undefined) return this.#named(image, form)
    const use = this.#uses.use(frame)
    if (use === 'memory-map') return { ...NOTHING, memoryMap: this.#uses.memoryMapAddress(physical) }
    if (use === 'slab') return this.#inSlab(frame, physical, form)
    if (use !== 'kernel' && use !== 'unknown') return NOTHING
    const mapped = this.#uses.vmallocAddress(physical)
    if (mapped !== undefined) return this.#onStack(mapped, form) ?? this.#named(mapped, form)
    const direct = this.#uses.directAddress(physical)
    return this.#onStack(direct, form) ?? this.#inPercpu(direct, form) ?? this.#inPage(direct, form)
  }

  /** Returns the slab object that contains an address of the direct map. */
  objectAt(address: bigint): SlabObject | undefined {
    const physical = Number(address - this.#uses.directMap)
    if (physical < 0 || physical >= 2 ** 52) return undefined
    const frame = Math.floor(physical / FRAME_BYTES)
    if (this.#uses.use(frame) !== 'slab') return undefined
    const head = this.#uses.headOf(frame)
    return head === undefined ? undefined : this.#slabs.objectAt(head, physical)
  }

  #inSlab(frame: number, physical: number, form: number): Place {
    const head = this.#uses.headOf(frame)
    const found = head === undefined ? undefined : this.#slabs.objectAt(head, physical)
    if (!found) return this.#inPage(this.#uses.directAddress(physical), form)
    const { cache, object, offset, allocated } = found
    const address = object + BigInt(offset)
    const gone = allocated === false ? 'freed ' : ''
    const where = `${gone}object 0x${object.toString(16)} of slab cache ${cache}, at offset ${offset}`
    const parts = { kind: 'slab', words: where, address, cache, object, offset } as const
    // A registered buffer is in use even if a list of free objects says otherwise.
    const registered = this.#registered(parts, form)
    if (registered) return registered
    return {
      kind: 'slab',
      live: allocated,
      memoryMap: undefined,
      holder: holder(form, { ...parts, ...this.#typed(found, where) }),
    }
  }

  /** Describes a place in an object by the types of the kernel. */
  #typed(found: SlabObject, where: string): Pick<Holder, 'words' | 'member'> {
    const { cache, size, object, offset } = found
    const bio = this.#bios.part(found)
    if (bio) return { words: `${where}, ${bio.member} of ${bio.words}`, member: bio.member }
    const member =
      memberAt(this.#kernel, cache, size, offset) ?? listEntry(this.#kernel, cache, object + BigInt(offset), offset)
    return { words: member === undefined ? where : `${where}, likely ${member}`, member }
  }

  /** Describes a place in a buffer that a process has registered with io_uring. */
  #registered(parts: Omit<Holder, 'references'> & { address: bigint }, form: number): Place | undefined {
    const buffers = this.#buffers
    const { address } = parts
    const buffer = buffers[lowerBound(buffers.length, i => buffers[i]!.from <= address) - 1]
    if (!buffer || address >= buffer.to) return undefined
    const { task, fd, number } = buffer
    const index = (address - buffer.from) / BigInt(this.#kernel.sizeOf('bio_vec'))
    const words = `buffer ${number} registered with io_uring by ${task.name}-${task.pid}, descriptor ${fd}, in ${parts.words}`
    const member = `io_mapped_ubuf.bvec[${index}].bv_page`
    return this.#live(form, { ...parts, words, pid: task.pid, task: task.name, member })
  }

  #onStack(address: bigint, form: number): Place | undefined {
    const stacks = this.#stacks
    const task = stacks[lowerBound(stacks.length, i => stacks[i]!.stack <= address) - 1]
    if (!task || address >= task.stack + BigInt(task.stackBytes)) return undefined
    const below = !task.running && address < task.stackPointer
    const symbol = this.#functionAt(task, address)
    const where = symbol === undefined ? '' : ` in ${symbol}`
    return {
      kind: 'kernel-stack',
      live: below ? false : task.running ? undefined : true,
      memoryMap: undefined,
      holder: holder(form, {
        kind: 'kernel-stack',
        words: `stack of ${task.name}-${task.pid}${where}`,
        address,
        pid: task.pid,
        task: task.name,
        symbol,
      }),
    }
  }

  /**
   * Returns the function whose stack frame contains an address. The nearest code address below it is a return address into that
   * function.
   */
  #functionAt(task: Task, address: bigint): string | undefined {
    for (let at = address & ~7n; at >= task.stack && at >= task.stackPointer; at -= 8n) {
      const word = this.#kernel.try('a kernel stack', () => this.#kernel.memory.u64(at))
      const code = word === undefined ? undefined : this.#kernel.arch.codeAddress(word, this.#kernel.info)
      const name = code === undefined ? undefined : this.#kernel.nameOf(code)
      if (name?.includes('+0x')) return name.replace(/\+0x[0-9a-f]+/, '')
    }
    return undefined
  }

  #inPercpu(address: bigint, form: number): Place | undefined {
    const area = this.#percpu.find(({ from, to }) => address >= from && address < to)
    if (!area) return undefined
    const symbol = this.#kernel.symbols.at(area.base + address - area.from)
    const name = symbol && `${symbol.name}+0x${symbol.offset.toString(16)}`
    return this.#live(form, {
      kind: 'per-cpu',
      words: `per-CPU variable ${name ?? ''}`.trim(),
      address,
      symbol: name,
    })
  }

  #inPage(address: bigint, form: number): Place {
    const member = form === WordForm.pointer ? this.#entryIn(address) : undefined
    const words = `kernel memory at 0x${address.toString(16)}, of no slab${member === undefined ? '' : `, likely ${member}`}`
    const parts = { kind: 'kernel-page', words, address, member } as const
    return this.#registered(parts, form) ?? this.#live(form, parts)
  }

  /**
   * Names the member at an address in whole pages. Lists of pages that are too long for kmalloc start at the beginning of a page.
   */
  #entryIn(address: bigint): string | undefined {
    return listEntry(this.#kernel, undefined, address, Number(address & 0xfffn))
  }

  #named(address: bigint, form: number): Place {
    const symbol = this.#kernel.nameOf(address)
    if (symbol !== undefined)
      return this.#live(form, { kind: 'static-data', words: `variable ${symbol}`, address, symbol })
    const parts = { kind: 'vmalloc', words: `vmalloc memory at 0x${address.toString(16)}`, address } as const
    return this.#registered(parts, form) ?? this.#live(form, parts)
  }

  #live(form: number, parts: Omit<Holder, 'references'>): Place {
    return { kind: parts.kind, live: true, memoryMap: undefined, holder: holder(form, parts) }
  }

  /** Returns the address in the kernel's image of physical memory that belongs to the image. */
  #inImage(physical: number): bigint | undefined {
    const { arch, info } = this.#kernel
    const start = this.#kernel.address('_text') ?? this.#kernel.address('_stext')
    const end = this.#kernel.address('_end')
    const first = start === undefined ? undefined : arch.imagePhysical(start, info)
    if (start === undefined || end === undefined || first === undefined || physical < first) return undefined
    const address = start + BigInt(physical - first)
    if (address >= end) return undefined
    // The kernel frees its init section after booting, and these frames are used for other things.
    const [from, to] = [this.#kernel.address('__init_begin'), this.#kernel.address('__init_end')]
    return from !== undefined && to !== undefined && address >= from && address < to ? undefined : address
  }
}

function holder(form: number, parts: Omit<Holder, 'references'>): Holder {
  if (form === WordForm.pointer) return { ...parts, references: undefined }
  const what = form === WordForm.number ? 'frame number' : 'physical address'
  return { ...parts, kind: 'pfn-number', words: `its ${what} in ${parts.words}`, references: undefined }
}

/** Returns the areas that hold the static per-CPU variables of each CPU. */
function percpuAreas(kernel: Kernel): { from: bigint; to: bigint; base: bigint }[] {
  const [start, end] = [kernel.address('__per_cpu_start'), kernel.address('__per_cpu_end')]
  if (start === undefined || end === undefined || end <= start) return []
  const offsets = kernel.try('per-CPU offsets', () => percpuOffsets(kernel)) ?? []
  return offsets.map(offset => ({
    from: BigInt.asUintN(64, start + offset),
    to: BigInt.asUintN(64, end + offset),
    base: start,
  }))
}

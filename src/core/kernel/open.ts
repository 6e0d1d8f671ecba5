// SPDX-License-Identifier: GPL-2.0-or-later
import { CoreError } from '../error.ts'
import type { Dump } from '../memory/physical.ts'
import { BtfError } from './btf.ts'
import { Kernel, type KernelFiles } from './kernel.ts'
import { readModules } from './modules.ts'

/** Opens the kernel of a dump. @throws CoreError */
export function openKernel(dump: Dump, name: string, files: KernelFiles = {}): Kernel {
  try {
    const kernel = new Kernel(dump, name, files)
    kernel.modules = readModules(kernel)
    return kernel
  } catch (error) {
    if (!(error instanceof BtfError)) throw error
    throw new CoreError(name, undefined, `expected the kernel's BTF: ${error.message}; give --vmlinux`)
  }
}

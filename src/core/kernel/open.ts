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
    const known = error instanceof BtfError ? btfExpected(name, error) : error
    throw known instanceof CoreError ? withDamage(known, dump) : known
  }
}

function btfExpected(name: string, { message }: BtfError): CoreError {
  return new CoreError(name, undefined, `expected the kernel's BTF: ${message}; give --vmlinux`)
}

/** Adds the damage of the file to an error, since it is the most likely cause. */
export function withDamage(error: CoreError, { damage }: Dump): CoreError {
  if (damage.length === 0) return error
  return new CoreError(
    error.file,
    error.offset,
    `${error.expected} (the file is damaged: ${damage.slice(0, 3).join('; ')})`,
  )
}

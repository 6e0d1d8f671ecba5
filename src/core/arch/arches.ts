// SPDX-License-Identifier: GPL-2.0-or-later
import type { Vmcoreinfo } from '../kernel/vmcoreinfo.ts'
import { AARCH64 } from './aarch64.ts'
import type { Arch } from './arch.ts'
import { X86_64 } from './x86_64.ts'

const ARCHES: readonly Arch[] = [X86_64, AARCH64]

/** Architectures that are read, in words. */
export const ARCH_NAMES = ARCHES.map(({ name }) => name).join(' or ')

/** QEMU's kdump files name no machine but those of x86. */
const UNNAMED = /^(unknown)?$/i

/** By the name in the dump or, where that is none, by what its VMCOREINFO note tells. */
export function archOf(machine: string, info: Vmcoreinfo | undefined): Arch | undefined {
  const isUnnamed = UNNAMED.test(machine)
  return ARCHES.find(arch => arch.name === machine || (isUnnamed && info !== undefined && arch.recognises(info)))
}

// SPDX-License-Identifier: GPL-2.0-or-later
import type { Vmcoreinfo } from '../kernel/vmcoreinfo.ts'
import { AARCH64 } from './aarch64.ts'
import type { Arch } from './arch.ts'
import { X86_64 } from './x86_64.ts'

const ARCHES: readonly Arch[] = [X86_64, AARCH64]

/** Names of the supported architectures, for messages. */
export const ARCH_NAMES = ARCHES.map(({ name }) => name).join(' or ')

/** QEMU's kdump files name the machine only for x86. */
const UNNAMED = /^(unknown)?$/i

/** Returns the architecture that the dump names or, if the dump names none, the one that its VMCOREINFO note shows. */
export function archOf(machine: string, info: Vmcoreinfo | undefined): Arch | undefined {
  const isUnnamed = UNNAMED.test(machine)
  return ARCHES.find(arch => arch.name === machine || (isUnnamed && info !== undefined && arch.recognises(info)))
}

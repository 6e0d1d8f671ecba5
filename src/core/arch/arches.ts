// SPDX-License-Identifier: GPL-2.0-or-later
import type { Arch } from './arch.ts'
import { X86_64 } from './x86_64.ts'

const ARCHES: readonly Arch[] = [X86_64]

/** Architectures that are read, in words. */
export const ARCH_NAMES = ARCHES.map(({ name }) => name).join(' or ')

/** By the name in the dump. */
export function archOf(machine: string): Arch | undefined {
  return ARCHES.find(({ name }) => name === machine)
}

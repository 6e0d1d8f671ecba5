// SPDX-License-Identifier: GPL-2.0-or-later
import type { Arch } from './arch.ts'
import { X86_64 } from './x86_64.ts'

/** Architectures that are read, by the name in the dump. */
export function archOf(machine: string): Arch | undefined {
  return machine === 'x86_64' ? X86_64 : undefined
}

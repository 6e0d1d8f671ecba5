// SPDX-License-Identifier: GPL-2.0-or-later
/** What a kernel's release tells of its protocol. It only breaks ties between protocols that look alike in a recording. */
import { PAGE_RULES, type ProtocolId } from '../../linux/protocols/rules.ts'

/** Returns the protocol that a kernel release shipped. */
export function byRelease(kernel: string | undefined): ProtocolId | undefined {
  const match = /^(\d+)\.(\d+)/.exec(kernel ?? '')
  if (!match) return undefined
  const release = Number(match[1]) * 1000 + Number(match[2])
  if (release < 5018) return 'A'
  if (release < 6001) return 'D'
  if (release < 6015) return 'E'
  return release < 6019 ? 'F' : 'G'
}

/** Protocols of the releases after the last one under which a page is returned by the core's reset of its count. */
const LATER: readonly ProtocolId[] = ['F', 'G']

/**
 * True if a kernel may be one under which pages are returned to their owner by a reset of the count to 1. The core also resets
 * the count of a GENERIC page, but only one whose base reference was put, which is a fault. Under later releases these alone are
 * idle at 1. Distributions bring later protocols to earlier releases, so an earlier release excludes nothing.
 */
export function mayReturnByReset(kernel: string | undefined): boolean {
  const protocol = byRelease(kernel)
  if (protocol === undefined || !LATER.includes(protocol)) return true
  return Object.values(PAGE_RULES[protocol]).some(rule => rule.coreResets)
}

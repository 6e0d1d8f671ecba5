// SPDX-License-Identifier: GPL-2.0-or-later
/** Who acted in an event, as exports name them. */
import { baseName } from '../ledger/callsites/symbol-lists.ts'
import type { Frame, Recording } from '../trace/events.ts'

/** "function+0x1c", or undefined where the recording has no stack. */
export function frameText(frame: Frame | undefined): string | undefined {
  if (!frame) return undefined
  return frame.offset === undefined ? baseName(frame.name) : `${baseName(frame.name)}+0x${frame.offset.toString(16)}`
}

/** "task-pid" */
export const taskText = ({ tasks }: Recording, pid: number): string => `${tasks.name(pid)}-${pid}`

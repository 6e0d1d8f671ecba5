// SPDX-License-Identifier: GPL-2.0-or-later
/** Formats who acted in an event, for exports. */
import { frameName } from '../ledger/diagnose/naming.ts'
import type { Frame, Recording } from '../trace/events.ts'

/** "function+0x1c"; undefined if the recording has no stack. */
export function frameText(frame: Frame | undefined): string | undefined {
  return frame && frameName(frame)
}

/** "task-pid" */
export const taskText = ({ tasks }: Recording, pid: number): string => `${tasks.name(pid)}-${pid}`

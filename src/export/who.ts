// SPDX-License-Identifier: GPL-2.0-or-later
/** Who acted in an event, as exports name them. */
import { frameName } from '../ledger/diagnose/naming.ts'
import type { Frame, Recording } from '../trace/events.ts'

/** "function+0x1c", or undefined where the recording has no stack. */
export function frameText(frame: Frame | undefined): string | undefined {
  return frame && frameName(frame)
}

/** "task-pid" */
export const taskText = ({ tasks }: Recording, pid: number): string => `${tasks.name(pid)}-${pid}`

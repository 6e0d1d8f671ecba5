// SPDX-License-Identifier: GPL-2.0-or-later
/** Shows the progress of reading a file. */
import { printable } from '../../../src/report/printable.ts'
import { h } from '../dom.ts'
import type { Progress } from '../recording.ts'

export function reading(name: string): { element: HTMLElement; progress(progress: Progress): void } {
  const status = h('p', { class: 'status', role: 'status' }, `Reading ${printable(name)}`)
  const bar = h('progress', { 'aria-label': 'Reading', max: 1 })
  return {
    element: h('div', { class: 'welcome reading' }, status, bar),
    progress({ what, done, total }) {
      if (total === undefined) bar.removeAttribute('value')
      else bar.value = done / Math.max(1, total)
      status.textContent = `Reading ${printable(name)}: ${what}`
    },
  }
}

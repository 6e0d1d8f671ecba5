// SPDX-License-Identifier: GPL-2.0-or-later
/** What is under the pointer, said beside it. Who has no pointer is told the same of what is selected. */
import { h } from './dom.ts'

/** CSS pixels between the pointer and what is said. */
const ROOM = 14

export class Tooltip {
  readonly element = h('div', { class: 'tooltip', 'aria-hidden': 'true', hidden: true })

  /** Says a text, line by line; on the side of the pointer where there is room. */
  show(text: string, { clientX, clientY }: MouseEvent): void {
    const { element } = this
    if (element.textContent !== text) element.textContent = text
    element.hidden = false
    const { offsetWidth, offsetHeight } = element
    const { clientWidth, clientHeight } = document.documentElement
    const left = clientX + ROOM + offsetWidth <= clientWidth ? clientX + ROOM : clientX - ROOM - offsetWidth
    const top = clientY + ROOM + offsetHeight <= clientHeight ? clientY + ROOM : clientY - ROOM - offsetHeight
    element.style.left = `${Math.max(0, left)}px`
    element.style.top = `${Math.max(0, top)}px`
  }

  hide(): void {
    this.element.hidden = true
  }
}

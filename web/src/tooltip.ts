// SPDX-License-Identifier: GPL-2.0-or-later
/** Describes what is under the pointer. Without a pointer, the same text is available for the selected item. */
import { h } from './dom.ts'

/** Distance between the pointer and the text, in CSS pixels. */
const ROOM = 14

export class Tooltip {
  readonly element = h('div', { class: 'tooltip', 'aria-hidden': 'true', hidden: true })

  /** Shows lines of text, on the side of the pointer that has room. */
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

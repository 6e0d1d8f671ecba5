// SPDX-License-Identifier: GPL-2.0-or-later
/** Distinguishes clicks and drags with the main button on an element. */

/** Pointer movement, in CSS pixels, up to which a press is a click. */
const CLICK = 4

export interface PressEvents {
  /** Called when a press begins. Returns the handler of its movements, in CSS pixels from where the press began. */
  begin(event: PointerEvent): (dx: number, dy: number) => void
  click(event: PointerEvent): void
  /** Called when a drag has ended. */
  dropped?(): void
  /** Called when the pointer moves without a pressed button; undefined: it has left. */
  hover(event: PointerEvent | undefined): void
}

export function onPress(element: HTMLElement, { begin, click, dropped, hover }: PressEvents): void {
  let press: { x: number; y: number; moved: boolean; drag: (dx: number, dy: number) => void } | undefined
  element.addEventListener('pointerdown', event => {
    // Presses on the scroll bar are left to the browser.
    if (event.button !== 0 || event.offsetX > element.clientWidth) return
    press = { x: event.clientX, y: event.clientY, moved: false, drag: begin(event) }
    element.setPointerCapture(event.pointerId)
  })
  element.addEventListener('pointermove', event => {
    if (!press) return hover(event)
    const [dx, dy] = [event.clientX - press.x, event.clientY - press.y]
    press.moved ||= Math.hypot(dx, dy) > CLICK
    if (press.moved) press.drag(dx, dy)
  })
  element.addEventListener('pointerup', event => {
    if (press && !press.moved) click(event)
    if (press?.moved) dropped?.()
    press = undefined
  })
  element.addEventListener('pointercancel', () => {
    press = undefined
  })
  element.addEventListener('pointerleave', () => hover(undefined))
}

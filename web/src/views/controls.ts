// SPDX-License-Identifier: GPL-2.0-or-later
/** Controls of the views that draw pages: a search for a page, and a switch to a table in place of the drawing. */
import type { Address } from '../address.ts'
import { h } from '../dom.ts'

/** A page number has at most 52 bits. */
const PAGE_NUMBER = /^(0x)?([0-9a-f]{1,13})$/i

/**
 * A field that searches for a page by its pfn, written as in the text reports.
 * @param select selects a page; returns false if there is no such page
 * @param missing message if there is none
 */
export function pageSearch(select: (pfn: number) => boolean, missing: string): HTMLElement {
  const search = h('input', { type: 'search', placeholder: 'page, as 0x1000', 'aria-label': 'Page to select' })
  search.addEventListener('change', () => {
    const text = search.value.trim()
    if (text === '') return
    const digits = PAGE_NUMBER.exec(text)?.[2]
    const isFound = digits !== undefined && select(Number.parseInt(digits, 16))
    search.setCustomValidity(isFound ? '' : missing)
    search.reportValidity()
  })
  search.addEventListener('input', () => search.setCustomValidity(''))
  return search
}

/** A button that switches between the drawing and the table. The address keeps the state. */
export function tableControl(address: Address, isShown: () => boolean, show: (on: boolean) => void): HTMLElement {
  const button = h('button', { type: 'button', 'aria-pressed': 'false' }, 'As a table')
  const toggle = (on: boolean) => {
    button.setAttribute('aria-pressed', String(on))
    address.note({ table: on ? 1 : undefined })
    show(on)
  }
  button.addEventListener('click', () => toggle(!isShown()))
  if (address.get('table') === '1') queueMicrotask(() => toggle(true))
  return button
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** The help on keys, shown by "?": the keys of all views, and those of the present view. */
import { h } from './dom.ts'

/** Keys, and a description of what they do. */
export type KeyHelp = readonly (readonly [keys: string, does: string])[]

const EVERYWHERE: KeyHelp = [
  ['?', 'these keys'],
  ['/', 'search'],
  ['Esc', 'leaves a search, or this list'],
  ['Tab', 'from control to control'],
]

export class KeysDialog {
  readonly element = h('dialog', { class: 'keys', 'aria-label': 'Keys' })

  /** Opens the dialog. The browser closes it on Esc. */
  show(ofView: KeyHelp): void {
    const rows = [...ofView, ...EVERYWHERE].map(([keys, does]) =>
      h(
        'tr',
        {},
        h('th', { scope: 'row', class: 'key-names' }, ...keys.split(' ').map(key => h('kbd', {}, key))),
        h('td', {}, does),
      ),
    )
    const close = h('button', { type: 'button', on: { click: () => this.element.close() } }, 'Close')
    this.element.replaceChildren(h('h2', {}, 'Keys'), h('table', {}, h('tbody', {}, ...rows)), close)
    if (!this.element.open) this.element.showModal()
  }
}

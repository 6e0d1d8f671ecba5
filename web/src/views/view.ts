// SPDX-License-Identifier: GPL-2.0-or-later
import type { Address } from '../address.ts'
import type { KeyHelp } from '../keys.ts'

export interface Context {
  address: Address
  /** Announces text to screen readers. */
  say(text: string): void
}

export interface View {
  element: HTMLElement
  /** Handles a key that no control has handled. @returns true if the view did something with it */
  onKey?(key: string): boolean
  /** Help for the keys that `onKey` handles. */
  keys?: KeyHelp
  /** Called once, when the element is on the page. */
  shown?(): void
  /** Called when another view takes its place. */
  gone?(): void
}

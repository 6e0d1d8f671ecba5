// SPDX-License-Identifier: GPL-2.0-or-later
import type { Address } from '../address.ts'
import type { KeyHelp } from '../keys.ts'

export interface Context {
  address: Address
  /** Tells screen readers. */
  say(text: string): void
}

export interface View {
  element: HTMLElement
  /** A key that no control took. Returns whether the view did something with it. */
  onKey?(key: string): boolean
  /** The keys that `onKey` knows. */
  keys?: KeyHelp
  /** Called once, when the element is on the page. */
  shown?(): void
  /** Called when another view takes its place. */
  gone?(): void
}

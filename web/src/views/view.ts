// SPDX-License-Identifier: GPL-2.0-or-later
import type { Address } from '../address.ts'
import type { Document } from '../documents.ts'
import type { LiveRecording } from '../recording.ts'

export interface Context {
  address: Address
  document: Document
  /** The recording itself, where it was read here; a report holds only its findings. */
  recording: LiveRecording | undefined
  /** Tells screen readers. */
  say(text: string): void
}

export interface View {
  element: HTMLElement
  /** A key that no control took. Returns whether the view did something with it. */
  onKey?(key: string): boolean
  /** Called once, when the element is on the page. */
  shown?(): void
  /** Called when another view takes its place. */
  gone?(): void
}

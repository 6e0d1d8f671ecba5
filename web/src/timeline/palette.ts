// SPDX-License-Identifier: GPL-2.0-or-later
/** Colours of the timeline: those of each `Shade`, and those of its other parts. */
export interface Palette {
  shades: readonly string[]
  back: string
  text: string
  muted: string
  line: string
  raised: string
  mark: string
  accent: string
}

const LIGHT: Palette = {
  shades: [
    '#ffffff',
    '#e9ecf1',
    '#a9cdf5',
    '#7ab0ee',
    '#4a90e2',
    '#2a6fc4',
    '#1b4f96',
    '#123566',
    '#c9c2da',
    '#d92638',
  ],
  back: '#ffffff',
  text: '#1b1e24',
  muted: '#5a6270',
  line: '#d9dce2',
  raised: '#f5f6f8',
  mark: '#c01c28',
  accent: '#8a5300',
}

const DARK: Palette = {
  shades: [
    '#16181d',
    '#272b34',
    '#234a78',
    '#2d63a3',
    '#3d80cf',
    '#5b9ff0',
    '#8dbdf8',
    '#c4defd',
    '#4d4563',
    '#ff5f6d',
  ],
  back: '#16181d',
  text: '#e6e8ec',
  muted: '#a2aab8',
  line: '#343944',
  raised: '#1f2229',
  mark: '#ff7b7b',
  accent: '#ffc266',
}

export const SHADE_WORDS = ['', 'idle', '+1', '+2', '+3, +4', 'to +8', 'to +16', 'more', 'below idle', 'below zero']

const dark = matchMedia('(prefers-color-scheme: dark)')

export function palette(): Palette {
  return isDark() ? DARK : LIGHT
}

/** True if the system prefers dark colours. */
export function isDark(): boolean {
  return dark.matches
}

/** Calls `changed` when the system switches between light and dark colours, until `signal` is aborted. */
export function onPaletteChange(changed: () => void, signal: AbortSignal): void {
  dark.addEventListener('change', changed, { signal })
}

/** Converts colours to pixels of an ImageData, in the byte order of this machine. */
export function pixels(colours: readonly string[]): Uint32Array {
  const bytes = Uint8Array.from(
    colours.flatMap(colour => [1, 3, 5].map(at => Number.parseInt(colour.slice(at, at + 2), 16)).concat(255)),
  )
  return new Uint32Array(bytes.buffer)
}

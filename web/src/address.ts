// SPDX-License-Identifier: GPL-2.0-or-later
/** The state of the viewer, kept in the fragment of the URL, so that a view can be linked and reloaded, and Back works. */

export class Address {
  /** Called when a link or the history changes the fragment. Changes by `note` do not call it. */
  onChange: () => void = () => {}

  constructor() {
    addEventListener('hashchange', () => this.onChange())
  }

  get params(): URLSearchParams {
    return new URLSearchParams(location.hash.slice(1))
  }

  get(key: string): string | undefined {
    return this.params.get(key) ?? undefined
  }

  /** Returns the value of `key` if it is a whole number in [0, below); undefined otherwise. */
  index(key: string, below: number): number | undefined {
    const text = this.get(key)
    if (text === undefined || !/^\d{1,9}$/.test(text)) return undefined
    return Number(text) < below ? Number(text) : undefined
  }

  /** Stores changes within the present view, without adding an entry to the history. */
  note(changes: Record<string, string | number | undefined>): void {
    const params = this.params
    for (const [key, value] of Object.entries(changes)) {
      if (value === undefined || value === '') params.delete(key)
      else params.set(key, String(value))
    }
    history.replaceState(null, '', `#${params}`)
  }
}

/** Returns a fragment for `href`. The file that is open stays open. */
export function linkTo(params: Record<string, string | number | undefined>): string {
  const present = new URLSearchParams(location.hash.slice(1))
  const open = ['example', 'file'].map(key => [key, present.get(key) ?? undefined] as const)
  const given = [...open, ...Object.entries(params)].filter(([, value]) => value !== undefined)
  return `#${new URLSearchParams(given.map(([key, value]) => [key, String(value)]))}`
}

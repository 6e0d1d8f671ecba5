// SPDX-License-Identifier: GPL-2.0-or-later
/** What is looked at, kept in the fragment of the URL: a view can be linked and reloaded, and Back goes back. */

export class Address {
  /** Called when the fragment changed by a link or the history, not by `note`. */
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

  /** A whole number that is one of 0 .. below-1; undefined for anything else. */
  index(key: string, below: number): number | undefined {
    const text = this.get(key)
    if (text === undefined || !/^\d{1,9}$/.test(text)) return undefined
    return Number(text) < below ? Number(text) : undefined
  }

  /** Keeps changes of the present view, without a step in the history. */
  note(changes: Record<string, string | number | undefined>): void {
    const params = this.params
    for (const [key, value] of Object.entries(changes)) {
      if (value === undefined || value === '') params.delete(key)
      else params.set(key, String(value))
    }
    history.replaceState(null, '', `#${params}`)
  }
}

/** A fragment for `href`. What is open stays open. */
export function linkTo(params: Record<string, string | number | undefined>): string {
  const present = new URLSearchParams(location.hash.slice(1))
  const open = ['example', 'file'].map(key => [key, present.get(key) ?? undefined] as const)
  const given = [...open, ...Object.entries(params)].filter(([, value]) => value !== undefined)
  return `#${new URLSearchParams(given.map(([key, value]) => [key, String(value)]))}`
}

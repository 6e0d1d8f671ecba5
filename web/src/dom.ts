// SPDX-License-Identifier: GPL-2.0-or-later
/** Creates elements. Text is only inserted as text nodes, so that no name from a recording is parsed as markup. */
import { printable } from '../../src/report/printable.ts'

export type Child = Node | string | number | false | undefined

type Listeners = { [name in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[name]) => void }

export interface Attributes {
  [name: string]: string | number | boolean | undefined | Listeners
  on?: Listeners
}

const SVG = 'http://www.w3.org/2000/svg'

/** Creates an HTML element. Attributes that are undefined or false are omitted. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  return fill(document.createElement(tag), attributes, children)
}

/** Creates an SVG element. */
export function s<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): SVGElementTagNameMap[K] {
  return fill(document.createElementNS(SVG, tag), attributes, children)
}

function fill<E extends Element>(element: E, attributes: Attributes, children: Child[]): E {
  const { on, ...plain } = attributes
  for (const [name, value] of Object.entries(plain)) {
    if (value === undefined || value === false) continue
    element.setAttribute(name, value === true ? '' : String(value))
  }
  for (const [name, listener] of Object.entries(on ?? {})) element.addEventListener(name, listener as EventListener)
  element.append(...present(children))
  return element
}

export function present(children: Child[]): (Node | string)[] {
  return children.filter(child => child !== false && child !== undefined).map(c => (typeof c === 'number' ? `${c}` : c))
}

/** An element for a name from a recording. Its text direction is isolated, and bidi or invisible characters are escaped. */
export function name(text: string, kind = ''): HTMLElement {
  return h('bdi', { class: `name ${kind}`.trim() }, printable(text))
}

/** True for an element that takes typed text. */
export function takesText(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches('textarea, input:not([type="checkbox"], [type="file"])')
}

/** Keys that select an option of a `<select>`; letters jump to an option that begins with them. */
const WALKS = /^(Arrow\w+|Home|End|Page\w+|[a-z0-9 ])$/i

/** True if the focused control itself handles the key. All other keys go to the view, wherever the focus is. */
export function isOwnKey(target: EventTarget | null, key: string): boolean {
  if (!(target instanceof HTMLElement)) return false
  if (takesText(target)) return true
  if (target.matches('select')) return key === 'Enter' || WALKS.test(key)
  return (key === 'Enter' || key === ' ') && target.matches('a, button, summary, input')
}

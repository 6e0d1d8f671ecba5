// SPDX-License-Identifier: GPL-2.0-or-later
/** Reads JavaScript stacks as V8 prints them: the modelled functions on a stack, and which of these are the user's. */

/** A frame of a JavaScript stack. */
export interface Site {
  readonly function: string
  /** `file:line:column`. */
  readonly source: string
}

const FRAME = /^\s*at (?:async )?(?:(.+?) \((.*)\)|(.*))$/

/** Folders of this package: of the compiled files and of the sources that source maps name. Empty in a bundle that has no URL. */
const OURS = ['..', '../../src'].flatMap(folder => {
  const path = `${folder}/`
  return URL.canParse(path, import.meta.url) ? [pathOf(new URL(path, import.meta.url).href)] : []
})

/** The frames of a stack that have a file, line and column, innermost first; frames of the checker are included. */
export function sites(stack: string): Site[] {
  const out: Site[] = []
  for (const line of stack.split('\n')) {
    const at = FRAME.exec(line)
    const source = at?.[2] ?? at?.[3]
    if (source === undefined || !/:\d+:\d+$/.test(source)) continue
    // V8 writes a method as `Object.alloc_page [as page_alloc]`.
    const name = at![1]?.replace(/ \[as .*\]$/, '').split('.') ?? []
    out.push({ function: name.at(-1) ?? '', source })
  }
  return out
}

/** Functions of the checker that run a model's code. Frames outside of them are the caller of the checker, not the model. */
const RUNNERS: ReadonlySet<string> = new Set(['inRun', 'whereOf', 'leftovers'])

/** The innermost frame in code that belongs neither to this package nor to one in node_modules. */
export function userSite(stack: string | undefined): Site | undefined {
  const lines = sites(stack ?? '')
  const end = lines.findIndex(s => RUNNERS.has(s.function))
  return lines.slice(0, end < 0 ? lines.length : end).find(isUsers)
}

/** The stack without its innermost frame of the user's code and those further in. */
export function withoutUserSite(stack: string): string {
  const lines = stack.split('\n')
  return lines.slice(lines.findIndex(line => sites(line).some(isUsers)) + 1).join('\n')
}

function isUsers({ source }: Site): boolean {
  const path = pathOf(source)
  return path.startsWith('/') && !path.includes('/node_modules/') && !OURS.some(folder => path.startsWith(folder))
}

/** Name of the user's innermost function on a stack; undefined if no frame is the user's, or none of them has a name. */
export function userFunction(stack: string | undefined): string | undefined {
  const lines = sites(stack ?? '')
  const first = userSite(stack)
  if (!first) return undefined
  const from = lines.findIndex(s => s.source === first.source && s.function === first.function)
  // The body of a step is mostly anonymous; the function that takes the step has a name.
  return first.function || lines.slice(from).find(s => s.function !== '')?.function || undefined
}

function pathOf(url: string): string {
  return url.startsWith('file://') ? decodeURI(url.slice('file://'.length)) : url
}

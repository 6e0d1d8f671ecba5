// SPDX-License-Identifier: GPL-2.0-or-later
/** Stacks of V8: which modelled functions stand on them, and which of these are a user's. */

/** A line of a JavaScript stack. */
export interface Site {
  readonly function: string
  /** `file:line:column`. */
  readonly source: string
}

const FRAME = /^\s*at (?:async )?(?:(.+?) \((.*)\)|(.*))$/

/** Folders of this package, compiled and as its source maps name it; none where it is a part of a bundle without a place. */
const OURS = ['..', '../../src'].flatMap(folder => {
  const path = `${folder}/`
  return URL.canParse(path, import.meta.url) ? [pathOf(new URL(path, import.meta.url).href)] : []
})

/** The lines of a stack, innermost first, but those of the engine's own functions. */
export function sites(stack: string): Site[] {
  const out: Site[] = []
  for (const line of stack.split('\n')) {
    const at = FRAME.exec(line)
    const source = at?.[2] ?? at?.[3]
    if (source === undefined || !/:\d+:\d+$/.test(source)) continue
    // A method as `Object.alloc_page [as page_alloc]`.
    const name = at![1]?.replace(/ \[as .*\]$/, '').split('.') ?? []
    out.push({ function: name.at(-1) ?? '', source })
  }
  return out
}

/** Functions of the checker that run a model's code: whoever stands outside of them asked for a verdict, and is not the model. */
const RUNNERS: ReadonlySet<string> = new Set(['inRun', 'whereOf', 'leftovers'])

/** The innermost line of a stack in code that is neither of this package nor of one that was installed. */
export function userSite(stack: string | undefined): Site | undefined {
  const lines = sites(stack ?? '')
  const end = lines.findIndex(s => RUNNERS.has(s.function))
  return lines.slice(0, end < 0 ? lines.length : end).find(isUsers)
}

/** A stack without its innermost line of {@link userSite}, and without those inside of that. */
export function withoutUserSite(stack: string): string {
  const lines = stack.split('\n')
  return lines.slice(lines.findIndex(line => sites(line).some(isUsers)) + 1).join('\n')
}

function isUsers({ source }: Site): boolean {
  const path = pathOf(source)
  return path.startsWith('/') && !path.includes('/node_modules/') && !OURS.some(folder => path.startsWith(folder))
}

/** The function of the user's that a stack leads to; undefined where it stands outside of all functions, or in none of theirs. */
export function userFunction(stack: string | undefined): string | undefined {
  const lines = sites(stack ?? '')
  const first = userSite(stack)
  if (!first) return undefined
  const from = lines.findIndex(s => s.source === first.source && s.function === first.function)
  // A step's body mostly has no name of its own; who takes the step has.
  return first.function || lines.slice(from).find(s => s.function !== '')?.function || undefined
}

function pathOf(url: string): string {
  return url.startsWith('file://') ? decodeURI(url.slice('file://'.length)) : url
}

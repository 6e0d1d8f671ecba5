// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Names of the call sites that one report shows. A function with its offset is enough, unless two call sites share it: then
 * the callers that tell them apart are shown as well.
 */

/** Number of frames of a call site that are compared, the acting one included. */
const DEPTH = 4

export class CallSiteNames {
  /** By acting frame: the first frames of each call site there. */
  readonly #sites = new Map<string, Set<string>>()

  /** @param stacks stacks of all call sites in the report, each as text from the acting frame outwards */
  constructor(stacks: Iterable<readonly string[]>) {
    for (const stack of stacks) {
      const [acting] = stack
      if (acting === undefined) continue
      const known = this.#sites.get(acting)
      if (known) known.add(keyOf(stack, DEPTH))
      else this.#sites.set(acting, new Set([keyOf(stack, DEPTH)]))
    }
  }

  /** Returns the callers that a call site has to be named with, innermost first. */
  callers(stack: readonly string[]): readonly string[] {
    const others = [...(this.#sites.get(stack[0] ?? '') ?? [])].filter(each => each !== keyOf(stack, DEPTH))
    if (others.length === 0) return []
    let depth = 2
    while (depth < DEPTH && others.some(other => keyOf(other.split('\n'), depth) === keyOf(stack, depth))) depth++
    return stack.slice(1, depth)
  }

  /** Returns `X+0x5d`, or `X+0x5d from Y+0x10`. */
  name(stack: readonly string[]): string {
    return [stack[0] ?? 'an unknown site (no stack)', ...this.callers(stack)].join(' from ')
  }
}

function keyOf(stack: readonly string[], depth: number): string {
  return stack.slice(0, depth).join('\n')
}

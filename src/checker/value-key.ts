// SPDX-License-Identifier: GPL-2.0-or-later
/** Keys of results, arguments and histories: equal strings for equal values. Objects and functions are compared by identity. */

const numbers = new WeakMap<object, number>()
let count = 0

export function keyOf(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(keyOf).join()}]`
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value)
    case 'function':
      return `#${numberOf(value)}`
    case 'object':
      return value === null ? 'null' : `#${numberOf(value)}`
    case 'bigint':
      return `${value}n`
    case 'number':
      return Object.is(value, -0) ? '-0' : String(value)
    default:
      return String(value)
  }
}

function numberOf(object: object): number {
  let n = numbers.get(object)
  if (n === undefined) numbers.set(object, (n = ++count))
  return n
}

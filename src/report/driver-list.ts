// SPDX-License-Identifier: GPL-2.0-or-later
/** `lastput check DRIVER --list`: the names that the command's options take for a driver. */
import { properties } from '../linux/properties.ts'
import type { Built, Scenario } from '../linux/scenario/build.ts'
import type { Protocol, Role } from '../linux/types.ts'
import { printable } from './printable.ts'
import { wrap } from './words.ts'

/**
 * @param under the protocols that the driver is checked under
 * @param own names of the driver's own properties; undefined where a limit was met before they were known
 */
export function driverListText(
  { driver }: Scenario,
  { parts, kernel, system }: Built,
  under: readonly Protocol[],
  own: readonly string[] | undefined,
): string {
  const scenarios = [['teardown', parts.threads] as const, ...Object.entries(parts.scenarios ?? {})]
  const counts = (threads: Readonly<Record<string, number>>) =>
    Object.entries(threads)
      .map(([role, n]) => (n === 1 ? role : `${role}:${n}`))
      .join(', ')
  const lines = [
    ...wrap(`${driver.name}: ${driver.type} memory`, '', '  '),
    '',
    'protocols (--protocol)',
    ...rows(under.map(p => [p.id, `${p.name}: ${p.where}`])),
    '',
    'roles (--threads)',
    ...rows(Object.entries(parts.roles).map(([name, role]) => [name, roleText(role)])),
    '',
    `scenarios (check does the first${(parts.also ?? []).map(name => `, and ${name}`).join('')}; --matrix tries all)`,
    ...rows(scenarios.map(([name, threads]) => [name, counts(threads)])),
    '',
    'properties (--property)',
    ...rows([
      ...Object.entries(properties).map(([name, { rule }]) => [name, rule] as const),
      ...(own ?? []).map(name => [name, "the driver's own"] as const),
    ]),
    ...(own ? [] : ["  and the driver's own, which the limits left no time or memory to find"]),
    '',
    'bounds (--pages, --vas)',
    ...wrap(system.bounds, '  ', '  '),
    ...rows(kernel.cells.map(c => [c.name, `${c.show(c.min)} to ${c.show(c.max)}`])),
  ]
  return `${lines.join('\n')}\n`
}

function roleText({ about, times, finishes, daemon, assumes }: Role): string {
  const often = times === undefined ? 'again and again' : times === 1 ? 'once' : `${times} times`
  const must = finishes ? ['must end when it has begun'] : []
  const goes = daemon || assumes ? ['always goes on'] : []
  return [...(about ? [about] : []), [often, ...must, ...goes].join(', ')].join('; ')
}

/** Names in a column, and what is said of each beside it. */
function rows(list: readonly (readonly [string, string])[]): string[] {
  const width = Math.min(24, Math.max(0, ...list.map(([name]) => printable(name).length)))
  return list.flatMap(([name, text]) => wrap(text, `  ${printable(name).padEnd(width)}  `, ' '.repeat(width + 4)))
}

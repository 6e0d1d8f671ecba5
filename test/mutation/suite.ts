// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * What a mutant of the model is tried against: every row of the corpus in both forms, and every driver under every protocol.
 * Bundled with the mutated file in the place of the original.
 */
import type { CheckOptions } from '../../src/engine/index.ts'
import { bugs } from '../../src/linux/bugs/index.ts'
import { build, drivers, protocols, verify } from '../../src/linux/index.ts'
import { Machine } from '../../src/linux/machine.ts'

const LIMITS: CheckOptions = { time: 20, memory: 2 ** 30 }

interface Try {
  readonly name: string
  readonly verdict: () => Promise<string>
}

function tries(): Try[] {
  const of = (name: string, scenario: Parameters<typeof verify>[0], properties?: readonly string[]): Try => ({
    name,
    verdict: async () => {
      const { verdict } = await verify(scenario, { ...LIMITS, ...(properties ? { properties } : {}) })
      return `${verdict.verdict} ${verdict.property ?? ''}`.trim()
    },
  })
  return [
    ...bugs.map(b => of(`bug ${b.id} fixed`, b.fixed, b.keeps)),
    ...bugs.map(b => of(`bug ${b.id} broken`, b.broken, b.breaks)),
    ...drivers.flatMap(driver =>
      protocols
        .filter(p => driver.protocols.includes(p.id))
        .flatMap(protocol => {
          const small = { driver, protocol, pages: 1, vas: 1 }
          const { parts } = build(small)
          return [
            of(`${driver.name} ${protocol.id}`, small),
            ...Object.entries(parts.scenarios ?? {}).map(([name, threads]) =>
              of(`${driver.name} ${protocol.id} ${name}`, { ...small, threads }),
            ),
            { name: `${driver.name} ${protocol.id} alone`, verdict: async () => alone({ ...small, vas: 2 }) },
          ]
        }),
    ),
  ]
}

/** Every thread once, one after the other: what the counts are in the end, and the events on the way. */
function alone(scenario: Parameters<typeof build>[0]): string {
  const built = build(scenario)
  const machine = new Machine(built)
  for (const t of built.system.threads) machine.finish(t.name)
  const events = machine.steps.flatMap(s => s.events.map(e => `${e.event}:${e.val}:${e.ret ?? ''}:${e.count}`))
  return `${events.join(' ')} ${machine.violations.map(v => v.property).join()} ${built.system.cells.map(c => machine.get(c)).join()}`
}

/** Verdict by name, in order; stops at the first that differs from `expected`. */
export async function runSuite(expected?: Readonly<Record<string, string>>): Promise<Record<string, string>> {
  const out: Record<string, string> = {}
  for (const t of tries()) {
    out[t.name] = await t.verdict().catch(e => `error ${(e as Error).message}`)
    if (expected && expected[t.name] !== out[t.name])
      return { caught: `${t.name}: ${expected[t.name]} became ${out[t.name]}` }
  }
  return out
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Generates the code that takes the steps of a state, of all threads or of one that suffices, and handles the successors. */
import type { AmpleSets } from '../reduce/ample-sets.ts'
import type { CanonicalForm } from './emit-canonical.ts'
import { type Fields, maskOf, padded } from './emit-fields.ts'
import { stepName } from './emit-steps.ts'

/**
 * `successor(words)`: handles a successor to which the step of {@link Registers.thread} leads. In a search, puts it into
 * canonical form, then into the buffer of its partition.
 *
 * `orbit(t, words)`: writes the canonical form to {@link Registers.canonical}, and returns the thread that takes the place of
 * `t` in it.
 */
export function successorFunctions(fields: Fields, canonical: CanonicalForm): string {
  const { words, names } = fields
  const w = names.join()
  const store = (list: string, at: string) => words.map(i => `${list}[${at}${i}] = w${i}`).join('; ')
  return `
function orbit(t, ${w}) {
  ${canonical.statements(true)}
  const { canonical } = search
  ${store('canonical', '')}
  return t
}
function canonicalize(thread, states, at) { return orbit(thread, ${words.map(i => `states[at + ${i}]`).join()}) }
function successor(${w}) {
  search.transitions++
  search.enabled++
  if (!search.storing) {
    const { successor } = search
    ${store('successor', '')}
    return search.visit()
  }
  ${canonical.statements()}
  const at = search.reserve(hashWords(${w})), { buffer } = search
  ${store('buffer', 'at + ')}
}`
}

/** `stepsOf(words)`: takes the steps of a state. Reductions leave steps out only where {@link Registers.reducing} is true. */
export function stepsFunction(fields: Fields, canonical: CanonicalForm, ampleSets: AmpleSets | undefined): string {
  const { typeOf } = fields.automata
  const call = (t: number) => {
    const f = fields.layout.threads[t]!
    const cleared = fields.words.map(i => (i === f.word && f.bits > 0 ? `w${i} & ${~(maskOf(f) << f.shift)}` : `w${i}`))
    return `search.thread = ${t}; ${stepName(typeOf[t]!, f.word)}(n${t}, ${cleared.join()}, ${f.shift});`
  }
  const duplicates = canonical.duplicates()
  const steps = typeOf.map((_, t) =>
    duplicates.has(t) ? `if (!(reducing && (${duplicates.get(t)}))) { ${call(t)} }` : call(t),
  )
  const nodes = typeOf.map((_, t) => `const n${t} = ${fields.get(fields.layout.threads[t]!)}`)
  return `function stepsOf(${fields.names.join()}) {
  const { reducing } = search
  ${nodes.join('\n  ')}
  ${ampleSets ? singletonText(fields, ampleSets, call) : ''}
  ${steps.join('\n  ')}
}`
}

/** Statements that take the step of one thread and return, if that step is an ample set by itself. */
function singletonText(fields: Fields, ampleSets: AmpleSets, call: (t: number) => string): string {
  const { typeOf, decisions } = fields.automata
  const masks = Math.ceil(decisions.variables.filter(v => v.cell).length / 32)
  const lines: string[] = []
  for (const [t, singleton] of ampleSets.singleton.entries()) {
    if (singleton.every(a => a === 0)) continue
    const own = ampleSets.access[typeOf[t]!]!
    const free = typeOf.flatMap((type, u) => {
      if (u === t) return []
      const other = ampleSets.access[type]!
      type Sets = 'writes' | 'touches' | 'laterWrites' | 'laterTouches'
      return Array.from({ length: masks }, (_, k) => {
        const pick = (thread: number, nodes: typeof own, of: Sets) => {
          const sets = nodes.map(n => Number(BigInt.asIntN(32, n[of] >> BigInt(32 * k))))
          return `${fields.table(padded(sets, fields.layout.threads[thread]!.bits))}[n${thread}]`
        }
        const disturbs = `${pick(t, own, 'writes')} & ${pick(u, other, 'laterTouches')}`
        const disturbed = `${pick(t, own, 'touches')} & ${pick(u, other, 'laterWrites')}`
        return `!(${disturbs} | ${disturbed})`
      })
    })
    const kinds = fields.table(padded([...singleton], fields.layout.threads[t]!.bits))
    const dynamic = singleton.includes(2) && free.length > 0 ? ` && (a${t} === 1 || ${free.join(' && ')})` : ''
    lines.push(`const a${t} = ${kinds}[n${t}]; if (reducing && a${t} !== 0${dynamic}) { ${call(t)} return }`)
  }
  return lines.join('\n  ')
}

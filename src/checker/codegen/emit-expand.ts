// SPDX-License-Identifier: GPL-2.0-or-later
/** Text that expands a state: every step of every thread, or of one that may go alone, and what becomes of a successor. */
import type { Independence } from '../reduce/ample-sets.ts'
import type { CanonicalWriter } from './emit-canonical.ts'
import { type Fields, maskOf, padded } from './emit-fields.ts'
import { stepName } from './emit-steps.ts'

/**
 * `e(words)`: a successor that `thread` leads to. In a search it is put into canonical form, then into the buffer of its
 * partition. `orbit(t, words)`: leaves the canonical form in c0, c1, ... and the thread that takes the place of t in `image`.
 */
export function emitFunctions(fields: Fields, canonical: CanonicalWriter): string {
  const { words, names } = fields
  const w = names.join()
  const c = words.map(i => `c${i}`)
  return `
let ${c.map(name => `${name} = 0`).join()}, image = 0
function orbit(t, ${w}) {
  ${canonical.statements(true)}
  ${words.map(i => `c${i} = w${i}`).join('; ')}; image = t
}
function e(${w}) {
  moves++; enabled++
  if (mode !== SEARCH) return other(${w})
  ${canonical.statements()}
  const p = hash(${w}) >>> (32 - PBITS), n = pos[p], j = (p * cap + n) * W
  ${words.map(i => `out[j + ${i}] = w${i}`).join('; ')}
  pos[p] = n + 1
  if (n > cap - 2 - MOST) full = true
}
function other(${w}) {
  if (mode === SUCCESSORS) captured.push(thread, ${w})
  else if (mode === COUNT) { edges++; moving |= 1 << thread }
  else if (mode === GRAPH) edge(${w})
  else if (mode === BEFORE && hit === 0) {
    orbit(0, ${w})
    if (aimed(${c.join()})) hit = 1
  }
}`
}

/** `expandState(words)`. Only searches, and whoever looks for what lay before, leave steps out. */
export function expandFunction(
  fields: Fields,
  canonical: CanonicalWriter,
  independence: Independence | undefined,
  deadlock: number | undefined,
): string {
  const { typeOf } = fields.automata
  const call = (t: number) => {
    const f = fields.layout.threads[t]!
    const cleared = fields.words.map(i => (i === f.word && f.bits > 0 ? `w${i} & ${~(maskOf(f) << f.shift)}` : `w${i}`))
    return `${stepName(typeOf[t]!, f.word)}(n${t}, ${cleared.join()}, ${f.shift});`
  }
  const duplicates = canonical.duplicates()
  const steps = typeOf.map((_, t) => {
    const step = `thread = ${t}; ${call(t)}`
    return duplicates.has(t) ? `if (!(reduces && (${duplicates.get(t)}))) { ${step} }` : step
  })
  const nodes = typeOf.map((_, t) => `const n${t} = ${fields.get(fields.layout.threads[t]!)}`)
  return `let thread = 0
function expandState(${fields.names.join()}) {
  enabled = 0
  if (cut) {
    failed = false
    broken(${fields.names.join()})
    if (failed) { moving = -1; return }
  }
  const reduces = mode <= BEFORE
  ${nodes.join('\n  ')}
  ${independence ? aloneText(fields, independence, call) : ''}
  ${steps.join('\n  ')}
  ${deadlock === undefined ? '' : `if (enabled === 0 && (${fields.anyStarted()})) worse(0, ${deadlock})`}
}`
}

/** Takes one thread's step and returns, where the others can neither disturb it nor be disturbed. */
function aloneText(fields: Fields, independence: Independence, call: (t: number) => string): string {
  const { typeOf, decisions } = fields.automata
  const masks = Math.ceil(decisions.variables.filter(v => v.cell).length / 32)
  const lines: string[] = []
  for (const [t, alone] of independence.alone.entries()) {
    if (alone.every(a => a === 0)) continue
    const own = independence.access[typeOf[t]!]!
    const free = typeOf.flatMap((type, u) => {
      if (u === t) return []
      const other = independence.access[type]!
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
    const kinds = fields.table(padded([...alone], fields.layout.threads[t]!.bits))
    const dynamic = alone.includes(2) && free.length > 0 ? ` && (a${t} === 1 || ${free.join(' && ')})` : ''
    lines.push(
      `const a${t} = ${kinds}[n${t}]; if (reduces && a${t} !== 0${dynamic}) { thread = ${t}; ${call(t)} return }`,
    )
  }
  return lines.join('\n  ')
}

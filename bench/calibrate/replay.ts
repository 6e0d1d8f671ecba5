// SPDX-License-Identifier: GPL-2.0-or-later
/** Prints one simulated recording in detail: the driver, the true faults and the ledger's findings. */
import { account, type Finding } from '../../src/ledger/index.ts'
import { score } from './score.ts'
import type { Simulation, Simulator } from './simulation.ts'

const hex = (pfn: number) => `0x${pfn.toString(16)}`

/** @param correct true for a driver without faults, whatever the seed draws */
export async function replay(
  simulate: Simulator,
  seed: number,
  correct: boolean,
  directory: string | undefined,
): Promise<void> {
  const made = simulate(seed, correct)
  printTruth(made)
  const { findings } = await account(made.recording())
  const { findings: scored } = score(made.expected, findings)
  let next = 0
  for (const finding of findings) {
    const verdict =
      scored[next]?.kind === finding.kind && scored[next]?.pfn === finding.pfn ? scored[next++] : undefined
    printFinding(finding)
    if (verdict !== undefined)
      console.log(`  -> fault ${verdict.fault}, culprit ${verdict.culprit}; true: ${verdict.truth}`)
  }
  if (directory !== undefined) made.write(directory)
}

function printTruth({ seed, events, expected, describe }: Simulation): void {
  console.log(`seed ${seed}: ${describe().join('\n')}; ${events} events recorded`)
  for (const { kind, pfn, functions, units, time, subsystem, mode, decidable, why } of expected.faults)
    console.log(
      `TRUE ${kind} page ${hex(pfn)} by ${functions.join(' or ')} (${`${subsystem} ${mode}`.trim()}), ${units} at ${time}` +
        (decidable ? '' : `; not decidable${why === undefined ? '' : `: ${why}`}`),
    )
  const cascade = expected.cascade.map(({ pfn, time }) => `${hex(pfn)} from ${time}`)
  if (cascade.length > 0) console.log(`spoilt: ${cascade.slice(0, 12).join(', ')}${cascade.length > 12 ? ', ...' : ''}`)
}

function printFinding({ kind, pfn, certainty, culprit, count, expected, references, life, evidence }: Finding): void {
  const who =
    culprit === undefined ? 'nobody named' : `${culprit.frame?.name ?? '?'} (${culprit.task}) at ${culprit.time}`
  console.log(
    `FOUND ${kind} page ${hex(pfn)}, ${certainty}: ${who}; count ${count}, expected ${expected}, references ${references}, ` +
      `life ${life.began}..${life.ended}`,
  )
  for (const sentence of evidence) console.log(`  ${sentence}`)
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Prints a tally as tables of at most 80 columns. */
import type { FaultTally, TagTally, Tally, Verdicts } from './tally.ts'

const LEVELS = ['certain', 'likely', 'possible', 'candidates']

const percent = (part: number, all: number) => (all === 0 ? '-' : `${((100 * part) / all).toFixed(1)}%`)

function rows(lines: readonly (readonly (string | number)[])[]): string {
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map(line => String(line[column]).length)))
  return lines
    .map(line =>
      line.map((cell, i) => (i === 0 ? String(cell).padEnd(widths[i]!) : String(cell).padStart(widths[i]!))).join('  '),
    )
    .join('\n')
}

function verdicts(title: string, by: Record<string, Verdicts>, neither: string): string {
  const none = { right: 0, wrong: 0, neither: 0 }
  const lines = LEVELS.filter(level => level !== 'candidates' || by[level]).map(level => {
    const { right, wrong, neither: other } = by[level] ?? none
    return [level, right, wrong, percent(wrong, right + wrong), other]
  })
  return rows([[title, 'right', 'wrong', 'wrong %', neither], ...lines])
}

function faultRow(name: string, { planted, decidable, found, functionFound, pageOnly, foundUndecidable }: FaultTally) {
  return [name, planted, decidable, found, percent(found, decidable), functionFound, pageOnly, foundUndecidable]
}

function tagRow(name: string, tag: TagTally) {
  const wrong = percent(tag.likelyWrong, tag.likelyRight + tag.likelyWrong)
  return [
    name,
    tag.recordings,
    tag.correct,
    tag.correctCertain,
    tag.correctAccused,
    tag.certainWrong,
    wrong,
    percent(tag.found, tag.decidable),
  ]
}

export function tableOf(tally: Tally, seconds: number): string {
  const { recordings, events, ms } = tally
  const all = tally.tags.all
  const faulty = recordings - (all?.correct ?? 0)
  const head =
    `${recordings} recordings (${all?.correct ?? 0} correct, ${faulty} with faults), ${events} events, ${seconds.toFixed(0)} s ` +
    `(${(ms.make / recordings).toFixed(0)} ms to make,\n${(ms.judge / recordings).toFixed(0)} ms to judge one); ` +
    `${tally.reports} findings that only report; ${tally.crashed.length} crashes` +
    tally.crashed
      .slice(0, 3)
      .map(({ seed, error }) => `\nseed ${seed}: ${error.split('\n').slice(0, 3).join(' ')}`)
      .join('')
  const correct = all
    ? `correct recordings accused with certainty: ${all.correctCertain} of ${all.correct} ` +
      `(${percent(all.correctCertain, all.correct)}); at all: ${all.correctAccused} (${percent(all.correctAccused, all.correct)})`
    : ''
  const kinds = Object.entries(tally.faults)
  const ofKind = kinds.filter(([key]) => !key.startsWith(' ')).sort()
  const ofMode = kinds.filter(([key]) => key.startsWith(' ')).sort()
  return [
    head,
    correct,
    verdicts('fault', tally.fault, 'consequence'),
    verdicts('culprit', tally.culprit, 'unnamed'),
    rows([
      ['planted', 'all', 'decid.', 'found', '%', 'func.', 'page', 'undec.'],
      ...[...ofKind, ...ofMode].map(([key, sum]) => faultRow(key, sum)),
    ]),
    'decid.: the recorded events tell it; found: page and kind right; func.: function\nright, too; page: only the ' +
      'page; undec.: found though not decidable.',
    rows([
      ['condition', 'all', 'corr.', 'cert.', 'any', 'cert.w', 'likely w', 'found'],
      ...Object.entries(tally.tags)
        .sort(byName)
        .map(([key, sum]) => tagRow(key, sum)),
    ]),
    'corr.: correct; cert., any: of these accused with certainty, at all; cert.w:\nfindings wrong with certainty; ' +
      'likely w: share of the likely that is wrong.',
  ].join('\n\n')
}

const byName = ([a]: [string, unknown], [b]: [string, unknown]) => (a < b ? -1 : 1)

// SPDX-License-Identifier: GPL-2.0-or-later
/** The life of a page under two protocols side by side, as the model lives it, with what differs lit. */
import { printable } from '../../../src/report/printable.ts'
import type { LifeStepJson, ProtocolJson } from '../documents.ts'
import { h, name } from '../dom.ts'
import type { Context, View } from './view.ts'

type LifeOfType = ProtocolJson['lives'][number]

export function protocolsView({ address }: Context, protocols: ProtocolJson[]): View {
  const types = [...new Set(protocols.flatMap(protocol => protocol.lives.map(life => life.type)))]
  const ids = protocols.map(protocol => protocol.id)
  const type = choice('Type of page', types, address.get('type') ?? types[0])
  const left = choice('Left', ids, address.get('left') ?? ids[0])
  const right = choice('Right', ids, address.get('right') ?? ids.at(-1))
  const sides = h('div', { class: 'sides' })
  const selects = [type, left, right]
  for (const select of selects) select.addEventListener('change', show)

  function show(): void {
    address.note({ type: type.value, left: left.value, right: right.value })
    const shown = [left, right].map(select => protocols.find(protocol => protocol.id === select.value)!)
    const lives = shown.map(protocol => protocol.lives.find(life => life.type === type.value))
    const [a, b] = lives.map(life => life?.steps ?? [])
    const [onLeft, onRight] = aligned(a!, b!)
    sides.replaceChildren(side(shown[0]!, lives[0], onLeft), side(shown[1]!, lives[1], onRight))
  }

  show()
  const labels = ['type ', 'left ', 'right ']
  return {
    element: h(
      'div',
      {},
      h('h1', {}, 'Protocols'),
      h(
        'p',
        { class: 'muted' },
        'The count of one page from its driver\u2019s hands and back, as the model lives it; steps that only one side has are lit. A dashed circle is the count of a free page.',
      ),
      h('div', { class: 'filters' }, ...selects.map((select, i) => h('label', {}, labels[i]!, select))),
      sides,
    ),
  }
}

function choice(label: string, values: string[], chosen: string | undefined): HTMLSelectElement {
  const select = h('select', { 'aria-label': label }, ...values.map(value => h('option', { value }, printable(value))))
  select.value = values.find(value => value === chosen) ?? values[0] ?? ''
  return select
}

/** A step of one side, whether the other has it too; undefined where only the other side has one. */
type Aligned = { step: LifeStepJson; common: boolean } | undefined

function side(protocol: ProtocolJson, life: LifeOfType | undefined, steps: Aligned[]): HTMLElement {
  return h(
    'section',
    { 'aria-label': `Protocol ${printable(protocol.id)}` },
    h(
      'div',
      {},
      h('h2', {}, `${printable(protocol.id)}: ${printable(protocol.name)}`),
      h('p', { class: 'muted' }, printable(protocol.where)),
      h('p', {}, printable(protocol.words)),
    ),
    life
      ? h(
          'ol',
          { class: 'lifecycle' },
          h(
            'li',
            {},
            circle(life.initial, life.idle, ''),
            'set up',
            h('small', {}, `mapping it ${life.mappingCounts ? 'takes a reference' : 'takes none'}`),
          ),
          ...steps.map(each =>
            each ? stepItem(each.step, life.idle, !each.common) : h('li', { class: 'none', 'aria-hidden': 'true' }),
          ),
        )
      : h('p', { class: 'nothing' }, 'No driver of this type lived under this protocol.'),
  )
}

function circle(count: number, idle: number, way: string): HTMLElement {
  return h('span', { class: `count ${count === idle ? 'idle' : ''} ${way}` }, count)
}

function stepItem(step: LifeStepJson, idle: number, differs: boolean): HTMLElement {
  const { count, pagemapRef, told } = step
  const more = [
    `by ${printable(step.thread)}`,
    ...(told === undefined ? [] : [printable(told)]),
    ...(pagemapRef ? [`pagemap ref ${pagemapRef.from} \u2192 ${pagemapRef.to}`] : []),
  ]
  return h(
    'li',
    { class: differs ? 'differs' : '' },
    count && circle(count.to, idle, count.to > count.from ? 'up' : 'down'),
    name(step.function),
    differs && h('span', { class: 'hidden' }, ' (only here)'),
    h('small', {}, more.join(', ')),
  )
}

/** Both sides line by line, with what they have in common on the same lines: a longest common subsequence. */
function aligned(a: LifeStepJson[], b: LifeStepJson[]): [Aligned[], Aligned[]] {
  const [left, right] = [a.map(keyOf), b.map(keyOf)]
  const longest = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1))
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      longest[i]![j] =
        left[i] === right[j] ? longest[i + 1]![j + 1]! + 1 : Math.max(longest[i + 1]![j]!, longest[i]![j + 1]!)
    }
  }
  const lines: [Aligned, Aligned][] = []
  let [i, j] = [0, 0]
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && left[i] === right[j])
      lines.push([
        { step: a[i++]!, common: true },
        { step: b[j++]!, common: true },
      ])
    else if (j === b.length || (i < a.length && longest[i + 1]![j]! >= longest[i]![j + 1]!))
      lines.push([{ step: a[i++]!, common: false }, undefined])
    else lines.push([undefined, { step: b[j++]!, common: false }])
  }
  return [lines.map(([one]) => one), lines.map(([, other]) => other)]
}

/** What is the same of two steps that do the same. */
function keyOf({ thread, function: name, count, pagemapRef, told }: LifeStepJson): string {
  return JSON.stringify([thread, name, count, told, pagemapRef && pagemapRef.to - pagemapRef.from])
}

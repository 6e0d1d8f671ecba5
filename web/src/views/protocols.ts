// SPDX-License-Identifier: GPL-2.0-or-later
/** Shows the life of a page under two protocols side by side, as the model runs it, with differences highlighted. */
import { printable } from '../../../src/report/printable.ts'
import { type Aligned, aligned } from '../alignment.ts'
import type { ProtocolJson } from '../documents.ts'
import { h, name } from '../dom.ts'
import type { Context, View } from './view.ts'

type LifeOfType = ProtocolJson['lives'][number]

const NONE: Pick<LifeOfType, 'idle' | 'steps'> = { idle: 0, steps: [] }

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
    const [a, b] = lives.map(life => life ?? NONE)
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
        'The count of one page from its driver\u2019s hands and back, as the model lives it. What both do stands on one line; steps that only one side has are lit, and so is the name of a function that does what another does on the other side. A dashed circle is the count of a free page.',
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
          ...steps.map(each => (each ? stepItem(each, life.idle) : h('li', { class: 'none', 'aria-hidden': 'true' }))),
        )
      : h('p', { class: 'nothing' }, 'No driver of this type lived under this protocol.'),
  )
}

function circle(count: number, idle: number, way: string): HTMLElement {
  return h('span', { class: `count ${count === idle ? 'idle' : ''} ${way}` }, count)
}

/** Text for screen readers on how a step differs from the other side. */
const SAID = { same: undefined, varies: ' (otherwise there)', only: ' (only here)' }

function stepItem({ step, likeness }: NonNullable<Aligned>, idle: number): HTMLElement {
  const { count, pagemapRef, told } = step
  const said = SAID[likeness]
  const more = [
    `by ${printable(step.thread)}`,
    ...(told === undefined ? [] : [printable(told)]),
    ...(pagemapRef ? [`pagemap ref ${pagemapRef.from} \u2192 ${pagemapRef.to}`] : []),
  ]
  return h(
    'li',
    { class: likeness === 'only' ? 'differs' : likeness },
    count && circle(count.to, idle, count.to > count.from ? 'up' : 'down'),
    name(step.function),
    said !== undefined && h('span', { class: 'hidden' }, said),
    h('small', {}, more.join(', ')),
  )
}

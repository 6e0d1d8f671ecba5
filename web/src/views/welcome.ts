// SPDX-License-Identifier: GPL-2.0-or-later
/** The first screen: what this is, a place to drop a file on, an example. */
import { linkTo } from '../address.ts'
import { h } from '../dom.ts'
import type { Progress } from '../recording.ts'

export interface Welcome {
  element: HTMLElement
  progress(name: string, progress: Progress): void
  failed(message: string): void
}

export const EXAMPLES = [
  {
    id: 'leak-6.12',
    file: 'examples/leak-6.12.dat',
    title: 'A planted leak',
    text: 'Linux 6.12, a test driver with 1,024 device pages that forgets one put. 3,329 events.',
  },
]

export function welcome(open: (file: File) => void): Welcome {
  const status = h('p', { class: 'status', role: 'status' })
  const bar = h('progress', { 'aria-label': 'Reading', max: 1, hidden: true })
  const input = h('input', { type: 'file', id: 'file' })
  input.addEventListener('change', () => {
    const [file] = input.files ?? []
    if (file) open(file)
  })
  const examples = EXAMPLES.map(({ id, title, text }) =>
    h('li', {}, h('a', { href: linkTo({ example: id, view: 'pages' }) }, title), h('small', {}, ` ${text}`)),
  )
  return {
    element: h(
      'div',
      { class: 'welcome' },
      h('h1', {}, 'Who holds this page?'),
      h(
        'p',
        {},
        'lastput accounts for every reference to a ZONE_DEVICE page in a recording of the kernel\u2019s page_ref events: which put gave back which get, and which reference never came back. It also shows what its model checker found.',
      ),
      h(
        'div',
        { class: 'drop' },
        h('p', {}, h('label', { for: 'file' }, 'Drop a file here, or choose one:')),
        input,
        h(
          'ul',
          {},
          ...[
            'a recording: trace.dat of trace-cmd, perf.data, or text from tracefs',
            'JSON of lastput trace or lastput check (also --matrix and --bugs)',
            'a report that lastput wrote with --html',
          ].map(each => h('li', {}, each)),
        ),
        h('p', { class: 'muted' }, 'It is read in this browser and never leaves this machine.'),
        bar,
        status,
      ),
      h('h2', {}, 'Or look at an example'),
      h('ul', {}, ...examples),
      h('h2', {}, 'How to record'),
      h('pre', { class: 'stack' }, 'trace-cmd record -e page_ref -T sleep 10'),
    ),
    progress(name, { events, done, total }) {
      bar.hidden = false
      if (total === undefined) bar.removeAttribute('value')
      else bar.value = done / Math.max(1, total)
      status.textContent = `Reading ${name}: ${events.toLocaleString('en-US')} events`
      status.classList.remove('failure')
    },
    failed(message) {
      bar.hidden = true
      status.textContent = message
      status.classList.add('failure')
    },
  }
}

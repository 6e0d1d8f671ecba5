// SPDX-License-Identifier: GPL-2.0-or-later
/** The first screen: a description of lastput, a place to drop a file, and examples. */
import { printable } from '../../../src/report/printable.ts'
import { h } from '../dom.ts'
import { EXAMPLES, type Example } from '../examples.ts'

export interface Welcome {
  element: HTMLElement
  /** Shows what the user is asked to do, and an error message. */
  say(wish: string | undefined, failure: string | undefined): void
}

export function welcome(open: (file: File) => void): Welcome {
  const status = h('p', { class: 'status', role: 'status' })
  const input = h('input', { type: 'file', id: 'file' })
  input.addEventListener('change', () => {
    const [file] = input.files ?? []
    // Without this, choosing the same file again would cause no event.
    input.value = ''
    if (file) open(file)
  })
  return {
    element: h(
      'div',
      { class: 'welcome' },
      h('h1', {}, 'Who holds this page?'),
      h(
        'p',
        {},
        'lastput accounts for every reference to a ZONE_DEVICE page in a recording of the kernel\u2019s page_ref events: which put gave back which get, and which reference never came back. Of a memory dump it shows which pages are in use, and by what; and what its model checker found.',
      ),
      dropZone(input, status),
      h('h2', {}, 'Or look at an example'),
      h('h3', {}, 'Recordings of real kernels'),
      exampleList('recording'),
      h('h3', {}, 'Results: of a memory dump, of the model checker'),
      exampleList('result'),
      h('h2', {}, 'How to record'),
      h('pre', { class: 'stack' }, 'trace-cmd record -e page_ref -T sleep 10'),
    ),
    say(wish, failure) {
      status.textContent = printable(failure ?? wish ?? '')
      status.className = `status ${failure === undefined ? 'wish' : 'failure'}`
    },
  }
}

function dropZone(input: HTMLElement, status: HTMLElement): HTMLElement {
  const kinds = [
    'a recording: trace.dat of trace-cmd, perf.data, or text from tracefs; also packed by gzip',
    'a memory dump (vmcore) of at most 2 GB: an ELF core or a kdump file',
    'JSON of lastput trace, core, check (also --matrix and --bugs), run or explain',
    'a report that lastput wrote with --html',
  ]
  return h(
    'div',
    { class: 'drop' },
    status,
    h('p', {}, h('label', { for: 'file' }, 'Drop a file here, or choose one:')),
    input,
    h('ul', {}, ...kinds.map(each => h('li', {}, each))),
    h('p', { class: 'muted' }, 'It is read in this browser and never leaves this machine.'),
  )
}

function exampleList(kind: Example['kind']): HTMLElement {
  const item = ({ id, title, text, at }: Example) =>
    h(
      'li',
      {},
      h('a', { class: 'title', href: `#${new URLSearchParams({ example: id, ...textOf(at) })}` }, title),
      h('p', { class: 'muted' }, text),
    )
  return h('ul', { class: 'examples' }, ...EXAMPLES.filter(example => example.kind === kind).map(item))
}

function textOf(at: Example['at']): Record<string, string> {
  return Object.fromEntries(Object.entries(at).map(([key, value]) => [key, String(value)]))
}

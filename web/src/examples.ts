// SPDX-License-Identifier: GPL-2.0-or-later
/** An example on the first screen. `npm run build` copies the files beside the viewer; examples/README.md describes them. */
export interface Example {
  /** Identifier in the address, and name of the file or folder below examples/. */
  id: string
  kind: 'recording' | 'result'
  title: string
  text: string
  /** Parameters of the address that the example opens with. */
  at: Record<string, string | number>
}

export const EXAMPLES: readonly Example[] = [
  {
    id: 'leak-6.12',
    kind: 'recording',
    title: 'A planted leak',
    text: 'Linux 6.12: a test driver with 1,024 device pages; one of its users forgets a put.',
    at: { view: 'pages' },
  },
  {
    id: 'surplus-put-5.10',
    kind: 'recording',
    title: 'One put too many',
    text: 'Linux 5.10, where free pages stand at one: the count falls below it, and more goes wrong after it.',
    at: { view: 'findings' },
  },
  {
    id: 'migrate-6.12',
    kind: 'recording',
    title: 'A page that will not migrate',
    text: 'Linux 6.12, the kernel\u2019s test_hmm: a reference leaks in a migration, and eviction at unload fails.',
    at: { view: 'life', finding: 0 },
  },
  {
    id: 'touch-6.12',
    kind: 'recording',
    title: 'Used after it was given back',
    text: 'Linux 6.12, with probes beside the counts: a work item comes late. No count tells.',
    at: { view: 'life', finding: 0 },
  },
  {
    id: 'unload-6.12',
    kind: 'recording',
    title: 'An unload that hangs',
    text: 'Linux 6.12, with probes: memunmap_pages() waits for ever, and no page is held.',
    at: { view: 'pages', only: 'held', page: '0xfcf8000' },
  },
  {
    id: 'ok-7.3',
    kind: 'recording',
    title: 'Nothing wrong',
    text: 'Linux 7.3: the test driver without a fault, 256 lifetimes from idle to idle.',
    at: { view: 'pages' },
  },
  {
    id: 'race-5.10',
    kind: 'recording',
    title: 'Two CPUs on one page',
    text: 'Linux 5.10: 82,050 events, two out of five with a count that looks wrong and is right.',
    at: { view: 'pages', page: '0xfcf83ff' },
  },
  {
    id: 'dax-6.12',
    kind: 'recording',
    title: 'Truncated under a pipe',
    text: 'Linux 6.12, ext4 on persistent memory: a pipe holds pages that the file system has freed.',
    at: { view: 'pages', page: '0x107200' },
  },
  {
    id: 'dump-7.3',
    kind: 'result',
    title: 'A dump of a machine whose unload hangs',
    text: 'Debian\u2019s Linux 7.3, what lastput core --json says: a map of 36,352 device pages, and who holds them.',
    at: { view: 'map', page: '0xfcf0002' },
  },
  {
    id: 'bugs',
    kind: 'result',
    title: 'Known bugs, found again',
    text: 'The corpus of lastput check --bugs: each with and without its fix, and with its counterexample.',
    at: { view: 'verdicts' },
  },
  {
    id: 'matrix',
    kind: 'result',
    title: 'Every driver under every protocol',
    text: 'lastput check --matrix, property by property; each cross opens its counterexample.',
    at: { view: 'verdicts' },
  },
  {
    id: 'counterexample',
    kind: 'result',
    title: 'A counterexample',
    text: 'Linux 5.18 to 6.0: the pagemap goes while one of its pages is in use. Step by step.',
    at: { view: 'counterexample', check: 0 },
  },
  {
    id: 'protocols',
    kind: 'result',
    title: 'Protocols side by side',
    text: 'The life of a page under two refcount protocols, as the model lives it.',
    at: { view: 'protocols' },
  },
]

/** URL of the example's file, relative to the viewer's page. */
export function exampleFile({ id, kind }: Example): string {
  return `examples/${id}.${kind === 'recording' ? 'dat' : 'json.gz'}`
}

// SPDX-License-Identifier: GPL-2.0-or-later
// Two lives of a page side by side: held against all ways to put them beside each other, and against what a reader expects.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Aligned, aligned, type Life } from '../../web/src/alignment.ts'
import { type ProtocolJson, readDocument } from '../../web/src/documents.ts'
import { root } from './built.ts'

const packed = readFileSync(join(root, 'examples/results/protocols.json.gz'))
const example = readDocument(JSON.parse(gunzipSync(packed).toString()))
const protocols: ProtocolJson[] = example.kind === 'explain' ? example.protocols : []

const lifeOf = (id: string, type: string) =>
  protocols.find(each => each.id === id)!.lives.find(life => life.type === type)!

/** Both sides as lines: what stands beside what, and how alike it is. */
function lines([left, right]: [Aligned[], Aligned[]]): string[] {
  const text = (side: Aligned) =>
    side ? `${side.step.function}${side.step.count ? ` ${side.step.count.to}` : ''}` : '-'
  return left.map((one, i) => `${text(one)} | ${text(right[i])} | ${(one ?? right[i])!.likeness}`)
}

test('A and G: what both do stands side by side, whatever a free page counts', () => {
  expect(lines(aligned(lifeOf('A', 'PRIVATE'), lifeOf('G', 'PRIVATE')))).toEqual([
    'dmirror_devmem_alloc_page | dmirror_devmem_alloc_page | same',
    '- | init_page | only',
    'get_page 2 | set_page_count 1 | varies',
    'migrate_vma_insert_page 3 | migrate_vma_insert_page 2 | same',
    'page_ref_dec_return 2 | page_ref_dec_and_test 1 | varies',
    'page_ref_dec_return 1 | page_ref_dec_and_test 0 | varies',
    'dmirror_devmem_free | dmirror_devmem_free | same',
    '- | percpu_ref_put_many | only',
    '- | get_page_unless_zero | only',
    'percpu_ref_kill | percpu_ref_kill | same',
    'page_ref_dec_return 0 | - | only',
    'percpu_ref_put_many | - | only',
  ])
})

test('of every two protocols each step is there once, in order, and a protocol is the same as itself', () => {
  const types = new Set(protocols.flatMap(({ lives }) => lives.map(({ type }) => type)))
  expect(types.size).toBeGreaterThan(3)
  for (const type of types) {
    const lives = protocols.flatMap(each => each.lives.filter(life => life.type === type))
    for (const one of lives) {
      for (const other of lives) {
        const [left, right] = aligned(one, other)
        expect(left.length).toBe(right.length)
        expect(left.flatMap(each => (each ? [each.step] : []))).toEqual(one.steps)
        expect(right.flatMap(each => (each ? [each.step] : []))).toEqual(other.steps)
        left.forEach((each, i) => {
          expect(each ?? right[i]).toBeDefined()
          if (each && right[i]) expect(each.likeness).toBe(right[i].likeness)
          else expect((each ?? right[i])!.likeness).toBe('only')
        })
        if (one === other) expect(left.every(each => each?.likeness === 'same')).toBe(true)
      }
    }
  }
})

const step = fc.record({
  thread: fc.constantFrom('a', 'b'),
  function: fc.constantFrom('f', 'g'),
  count: fc.record({ from: fc.nat(2), to: fc.nat(2) }),
})
const life: fc.Arbitrary<Life> = fc.record({ idle: fc.nat(1), steps: fc.array(step, { maxLength: 5 }) })

/** The most lines with a step on both sides that are the same in every way, over all ways to keep the order. */
function mostSame(a: Life['steps'], b: Life['steps'], isSame: (i: number, j: number) => boolean): number {
  const from = (i: number, j: number): number => {
    if (i === a.length || j === b.length) return 0
    const both = isSame(i, j) ? 1 + from(i + 1, j + 1) : 0
    return Math.max(both, from(i + 1, j), from(i, j + 1))
  }
  return from(0, 0)
}

test('where only the same stands beside the same, no way to align has more of it', () => {
  fc.assert(
    fc.property(life, life, (one, other) => {
      // Functions that name their thread and change: two steps are either the same or have nothing in common.
      const named = ({ idle, steps }: Life): Life => ({
        idle,
        steps: steps.map(each => ({ ...each, thread: JSON.stringify([each, idle]) })),
      })
      const [a, b] = [named({ ...one, idle: 0 }), named({ ...other, idle: 0 })]
      const [left, right] = aligned(a, b)
      const both = left.filter((each, i) => each && right[i]).length
      expect(both).toBe(mostSame(a.steps, b.steps, (i, j) => a.steps[i]!.thread === b.steps[j]!.thread))
    }),
  )
})

// SPDX-License-Identifier: GPL-2.0-or-later
// Learning which site gives back what another took, on lives whose pairs are known.
import { describe, expect, test } from 'vitest'
import { solve } from '../../src/ledger/matching.ts'
import { type Life, lifeOfShape, mergePins, PairModel } from '../../src/ledger/pairs.ts'
import { LifetimeShapes, MAPPED, SHAPE_STRIDE, SHAPE_TASK_SHIFT } from '../../src/ledger/track/lifetime-shapes.ts'
import { Op } from '../../src/trace/events.ts'
import { byPage, history, type Protocol, type TrueRow, TYPICAL } from '../support/histories.ts'
import { leastCost } from '../support/oracle.ts'

/** What happened to the pages from one idle moment to the next, by the order of the operations. */
function livesOf(rows: readonly TrueRow[], idle: number): TrueRow[][] {
  const lives: TrueRow[][] = []
  for (const page of byPage(rows.filter(row => row.role !== 'setup'))) {
    let life: TrueRow[] = []
    for (const row of [...page].sort((a, b) => a.opTime - b.opTime || a.sequence - b.sequence)) {
      if (row.op === Op.MOD_UNLESS && row.ret === 0) continue
      life.push(row)
      if (row.after !== idle) continue
      lives.push(life)
      life = []
    }
  }
  return lives
}

/** Call sites numbered as they come; here a stack is a site. */
class Numbers {
  readonly #ids = new Map<unknown, number>()
  of(key: unknown): number {
    const id = this.#ids.get(key) ?? this.#ids.size
    this.#ids.set(key, id)
    return id
  }
}

function addShape(shapes: LifetimeShapes, life: TrueRow[], sites: Numbers): number {
  const ints = new Int32Array(life.length * SHAPE_STRIDE)
  const tasks = new Numbers()
  life.forEach((row, i) => {
    // As the ledger sees it: the map count rises after a mapping's get and falls before its put.
    const neighbour = life[row.val > 0 ? i + 1 : i - 1]
    const mapped = neighbour !== undefined && neighbour.mapcount! > row.mapcount!
    ints.set(
      [sites.of(row.stack), row.val, (tasks.of(row.pid) << SHAPE_TASK_SHIFT) | (mapped ? MAPPED : 0)],
      i * SHAPE_STRIDE,
    )
  })
  return shapes.add(ints, ints.length, 1)
}

interface Learned {
  model: PairModel
  shapes: LifetimeShapes
  lives: { rows: TrueRow[]; life: Life }[]
}

function learn(protocol: Protocol, idle: number, seeds: number): Learned {
  const shapes = new LifetimeShapes()
  const sites = new Numbers()
  const lives: Learned['lives'] = []
  for (let seed = 0; seed < seeds; seed++) {
    for (const rows of livesOf(history({ ...TYPICAL, seed, protocol, tasks: 5, cpus: 4 }).rows, idle)) {
      lives.push({ rows, life: mergePins(lifeOfShape(shapes, addShape(shapes, rows, sites))) })
    }
  }
  const model = new PairModel({ site: signature => signature, related: () => true })
  model.learn(shapes)
  return { model, shapes, lives }
}

/** Puts in all, and those given to a get of another site than their own. */
function judge({ model, lives }: Learned): { puts: number; wrong: number } {
  let puts = 0
  let wrong = 0
  for (const { rows, life } of lives) {
    const { matches, unmatchedPuts } = solve(life, model)
    puts += life.puts.length
    wrong += unmatchedPuts.filter(units => units > 0).length
    for (const { get, put } of matches) {
      const truth = rows[life.puts[put]!.position]!.reference
      const own = rows.find(row => row.reference === truth && row.val > 0)!
      if (rows[life.gets[get]!.position]!.stack !== own.stack) wrong++
    }
  }
  return { puts, wrong }
}

describe('pairs learned from well-behaved lives', () => {
  const cases: [Protocol, idle: number, wrongAtMost: number][] = [
    ['E', 0, 0.05],
    ['A', 1, 0.05],
    ['GENERIC', 1, 0.05],
    ['FSDAX_612', 1, 0.02],
    ['FSDAX_73', 0, 0.02],
    ['P2PDMA_73', 0, 0.02],
  ]
  test.each(cases)(
    'protocol %s: nearly every put is given the get that it gave back, or one of the same site',
    (protocol, idle, wrongAtMost) => {
      const { puts, wrong } = judge(learn(protocol, idle, 30))
      expect(puts).toBeGreaterThan(500)
      expect(wrong / puts).toBeLessThanOrEqual(wrongAtMost)
    },
  )

  test('by the learned costs too, the matching of each life costs as little as the best of all', () => {
    const { model, shapes } = learn('E', 0, 30)
    let solved = 0
    for (let shape = 0; shape < shapes.size; shape++) {
      const life = mergePins(lifeOfShape(shapes, shape))
      if (life.gets.length * life.puts.length > 16) continue
      solved++
      expect(solve(life, model).cost).toBeCloseTo(leastCost(life, model), 1)
    }
    expect(solved).toBeGreaterThan(50)
  })
})

test('a change of the count by 0 is no reference', () => {
  const shapes = new LifetimeShapes()
  const [get, nothing, put] = [1, 0, -1]
  const shape = shapes.add(Int32Array.of(0, get, 0, 1, nothing, 0, 2, put, 0), 3 * SHAPE_STRIDE, 1)
  const life = lifeOfShape(shapes, shape)
  expect(life.gets.map(({ position }) => position)).toEqual([0])
  expect(life.puts.map(({ position }) => position)).toEqual([2])
})

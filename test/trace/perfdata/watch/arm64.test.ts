// SPDX-License-Identifier: GPL-2.0-or-later
import { expect, test } from 'vitest'
import { arm64Write } from '../../../../src/trace/perfdata/watch/arm64-write.ts'
import { program } from '../../../../testkit/data.ts'
import { needs } from '../../../support/needs.ts'
import { assemble } from './assembler.ts'

const ORDERS = ['', 'a', 'l', 'al']

/** Registers of each operand: the lowest, some, the highest, and zero or the stack pointer. */
const SOURCES = [0, 7, 19, 30, 31]
const BASES = [0, 9, 30, 31]

const w = (n: number) => (n === 31 ? 'wzr' : `w${n}`)
const base = (n: number) => (n === 31 ? 'sp' : `x${n}`)
const operand = (n: number) =>
  n === 31 ? { register: -1, sign: 1, constant: 0 } : { register: n, sign: 1, constant: 0 }
const address = (n: number, displacement = 0) => ({ base: n, index: -1, scale: 0, displacement, isRelative: false })

/** Each instruction with what it writes. */
function* forms(): Generator<{ text: string; told: object }> {
  for (const source of SOURCES)
    for (const on of BASES) {
      const add = { effect: 'add', width: 4, operand: operand(source), address: address(on) }
      for (const order of ORDERS) yield { text: `ldadd${order} ${w(source)}, w3, [${base(on)}]`, told: add }
      for (const order of ['', 'l']) yield { text: `stadd${order} ${w(source)}, [${base(on)}]`, told: add }
      const set = { ...add, effect: 'set' }
      for (const order of ORDERS) yield { text: `swp${order} ${w(source)}, w3, [${base(on)}]`, told: set }
      for (const order of ORDERS)
        yield { text: `cas${order} w3, ${w(source)}, [${base(on)}]`, told: { ...add, effect: 'compare' } }
      yield { text: `stlr ${w(source)}, [${base(on)}]`, told: set }
      for (const offset of [0, 52, 16380])
        yield { text: `str ${w(source)}, [${base(on)}, #${offset}]`, told: { ...set, address: address(on, offset) } }
      for (const offset of [-4, -256, 51])
        yield { text: `stur ${w(source)}, [${base(on)}, #${offset}]`, told: { ...set, address: address(on, offset) } }
      const unknown = { ...add, effect: 'unknown', operand: undefined }
      for (const name of ['stclr', 'stset', 'steor', 'stsmax', 'stumin'])
        yield { text: `${name} ${w(source)}, [${base(on)}]`, told: unknown }
      for (const name of ['stxr', 'stlxr'])
        if (on !== 5 && source !== 5) yield { text: `${name} w5, ${w(source)}, [${base(on)}]`, told: unknown }
      const none = { ...unknown, effect: 'none' }
      if (source === 31) continue
      for (const name of ['ldxr', 'ldaxr', 'ldar', 'ldr', 'ldapr'])
        yield { text: `${name} ${w(source)}, [${base(on)}]`, told: none }
    }
  const wide = { effect: 'set', width: 8, operand: operand(4), address: address(1, 48) }
  yield { text: 'str x4, [x1, #48]', told: wide }
  yield { text: 'str x4, [x1], #48', told: { ...wide, address: address(1) } }
  yield { text: 'str x4, [x1, #48]!', told: wide }
  yield {
    text: 'str w4, [x1, x2, lsl #2]',
    told: { ...wide, width: 4, address: { ...address(1), index: 2, scale: 4 } },
  }
  yield { text: 'stp xzr, xzr, [x1, #48]', told: { ...wide, width: 16, operand: operand(31) } }
  yield {
    text: 'stp x2, x3, [x1, #48]',
    told: { effect: 'unknown', width: 16, operand: undefined, address: address(1, 48) },
  }
  yield {
    text: 'ldp x2, x3, [x1, #48]',
    told: { effect: 'none', width: 16, operand: undefined, address: address(1, 48) },
  }
}

needs(program('aarch64-linux-gnu-as')).test(
  'every form of a write is read as what it does, as an assembler encodes it',
  () => {
    const all = [...forms()]
    const code = assemble(
      all.map(({ text }) => text),
      'aarch64-linux-gnu-',
      ['-march=armv8.4-a'],
    )
    const view = new DataView(code.buffer)
    expect(code.length).toBe(4 * all.length)
    const wrong = all.flatMap(({ text, told }, i) => {
      const { effect, width, operand: own, address: place } = arm64Write(view.getUint32(4 * i, true))
      const read = {
        effect,
        width,
        operand: own,
        address: place && { ...place, displacement: Number(place.displacement) },
      }
      return JSON.stringify(sorted(read)) === JSON.stringify(sorted(told)) ? [] : [`${text}: ${JSON.stringify(read)}`]
    })
    expect(wrong).toEqual([])
  },
)

test('what is no load or store is unknown', () => {
  expect(arm64Write(0xd503201f)).toMatchObject({ effect: 'unknown', address: undefined })
})

function sorted(value: object): object {
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}

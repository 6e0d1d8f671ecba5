// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Real kernels' code: every instruction ends where objdump says, every write to offset 0x34 has the effect that its text
 * says, and of each `xadd` and `cmpxchg` there the code before it tells the operand or the outcome. LASTPUT_VMLINUX names
 * kernels (a bzImage must be unpacked first: scripts/extract-vmlinux), separated by colons; a minute for each.
 */
import { expect } from 'vitest'
import type { Effect } from '../../../../src/trace/perfdata/watch/write.ts'
import { decodeInstruction, type Instruction } from '../../../../src/trace/perfdata/watch/x86-instruction.ts'
import { addendOf, originOf } from '../../../../src/trace/perfdata/watch/x86-origin.ts'
import { x86Write } from '../../../../src/trace/perfdata/watch/x86-write.ts'
import { program } from '../../../../testkit/data.ts'
import { needs } from '../../../support/needs.ts'
import { disassembledStream } from './assembler.ts'

const KERNELS = (process.env.LASTPUT_VMLINUX ?? '').split(':').filter(path => path !== '')
const REMEMBERED = 12

/** Effects by how the text begins, of what writes four bytes to its last operand. */
const EFFECTS: readonly (readonly [text: RegExp, effect: Effect])[] = [
  [/^(lock )?(incl|decl|addl?|subl?) /, 'add'],
  [/^movl? /, 'set'],
  [/^(lock )?xadd /, 'fetch-add'],
  [/^(lock )?cmpxchg /, 'compare'],
  [/^xchg /, 'exchange'],
  [/^(cmpl?|testl?) /, 'none'],
]

/** A write of four bytes to offset 0x34 of a page. */
const TO_COUNT = /\b0x34\(%r\w+(,%r\w+,\d)?\)$/
/** objdump shows wait and fninit as one. */
const TWO_IN_ONE = /^(finit|fstcw|fstsw|fsave|fclex)\b/

for (const path of KERNELS)
  needs(program('objdump')).test(
    `the code of ${path}`,
    async () => {
      const wrong: string[] = []
      const known = { instructions: 0, writes: 0, told: 0 }
      let before: Instruction[] = []
      for await (const line of disassembledStream(path)) {
        if (!line) {
          before = []
          continue
        }
        known.instructions++
        const { bytes, text } = line
        const found = decodeInstruction(bytes, 0)
        if (!found || found.length !== bytes.length) {
          if (!TWO_IN_ONE.test(text)) wrong.push(text)
          continue
        }
        const expected = TO_COUNT.test(text) ? EFFECTS.find(([form]) => form.test(text))?.[1] : undefined
        const write = x86Write(found, 0n)
        if (expected && write.width === 4) {
          known.writes++
          const isLoad = write.effect === 'none' && /^(add|sub|cmp|mov) /.test(text) && !text.includes(',0x34(')
          if (write.effect !== expected && !isLoad) wrong.push(`${text}: ${write.effect}`)
          if (/^lock (xadd|cmpxchg) /.test(text)) {
            const own = write.operand && addendOf(write.operand.register, write.before, before)
            if (own ?? originOf(write.before, before)) known.told++
            else wrong.push(`${text}: nothing before tells it`)
          }
        }
        if (before.length === REMEMBERED) before.shift()
        before.push(found)
      }
      console.log(path, known)
      expect(wrong).toEqual([])
      expect(known.instructions).toBeGreaterThan(1_000_000)
    },
    300_000,
  )

if (KERNELS.length === 0) needs('kernel in LASTPUT_VMLINUX').test('the code of real kernels', () => {})

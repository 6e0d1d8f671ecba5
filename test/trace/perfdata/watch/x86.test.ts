// SPDX-License-Identifier: GPL-2.0-or-later
import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { decodeInstruction, type Instruction } from '../../../../src/trace/perfdata/watch/x86-instruction.ts'
import { addendOf, originOf } from '../../../../src/trace/perfdata/watch/x86-origin.ts'
import { x86Write } from '../../../../src/trace/perfdata/watch/x86-write.ts'
import { program } from '../../../../testkit/data.ts'
import { needs } from '../../../support/needs.ts'
import { assemble, disassembled } from './assembler.ts'
import { forms } from './forms.ts'

/** Takes code apart from its first byte to its last. */
function instructions(code: Uint8Array): Instruction[] {
  const found: Instruction[] = []
  for (let at = 0; at < code.length; ) {
    const instruction = decodeInstruction(code, at)
    if (!instruction) throw new Error(`no instruction at ${at}`)
    found.push(instruction)
    at += instruction.length
  }
  return found
}

needs(program('as')).describe('against an assembler', () => {
  test('every form of a write is read as what it does', () => {
    const all = [...forms()]
    const found = instructions(assemble(all.map(({ text }) => text)))
    expect(found).toHaveLength(all.length)
    const wrong = all.flatMap((form, i) => {
      const write = x86Write(found[i]!, 0n)
      const { text, effect, width, constant, register, sign, before, base, index, scale, displacement } = form
      const address = { base, index, scale, displacement: BigInt(displacement), isRelative: false }
      const operand =
        register !== undefined
          ? { register, sign, constant: 0 }
          : constant !== undefined
            ? { register: -1, sign: 1, constant }
            : undefined
      const told = { effect, width, operand, address, before: before ?? -1 }
      const read = {
        effect: write.effect,
        width: write.width,
        operand: normal(write.operand),
        address: write.address,
        before: write.before,
      }
      // Of what is not read, only that it is not matters.
      if (effect === 'unknown' || effect === 'none') return write.effect === effect ? [] : [`${text}: ${write.effect}`]
      return show(read) === show(told) ? [] : [`${text}: ${show(read)}, not ${show(told)}`]
    })
    expect(wrong).toEqual([])
  })

  test('addresses relative to the instruction, and those of the CPU', () => {
    const [plain, own] = instructions(assemble(['lock incl 0x1000(%rip)', 'incl %gs:0x34']))
    expect(x86Write(plain!, 0x5000n).address).toMatchObject({ base: -1, index: -1, displacement: 0x6000n })
    expect(x86Write(own!, 0x5000n).address).toMatchObject({ isRelative: true })
  })

  test('the instructions of a library end where objdump says', () => {
    let count = 0
    const wrong: string[] = []
    for (const { bytes, text } of disassembled(libc())) {
      count++
      if (decodeInstruction(bytes, 0)?.length !== bytes.length) wrong.push(text)
    }
    expect(count).toBeGreaterThan(100_000)
    expect(wrong).toEqual([])
  }, 60_000)

  test.each([
    ['a constant', ['mov $-3, %eax', 'test %rdx, %rdx'], { register: -1, sign: 1, constant: -3 }],
    ['the negative of a register', ['mov %esi, %eax', 'neg %eax'], { register: 4, sign: -1, constant: 0 }],
    ['a register and a constant', ['lea 2(%r12), %eax', 'nop'], { register: 20, sign: 1, constant: 2 }],
    ['minus one by or', ['or $-1, %eax'], { register: -1, sign: 1, constant: -1 }],
    ['zero by xor', ['xor %eax, %eax', 'sub $4, %eax'], { register: -1, sign: 1, constant: -4 }],
    ['a copy of what changed later', ['mov %esi, %eax', 'mov $1, %esi'], undefined],
    ['a load', ['mov 8(%rdi), %eax'], undefined],
    ['a call', ['mov $1, %eax', 'call 1f', '1:'], undefined],
    ['nothing', ['push %rbx'], undefined],
  ] as const)('before an exchange, %s is the operand', (_, lines, operand) => {
    expect(originOf(0, instructions(assemble(lines)))).toEqual(operand)
  })

  test.each([
    ['one more', ['test %eax, %eax', 'je 1f', 'lea 1(%rax), %edx', '1:'], { register: -1, sign: 1, constant: 1 }],
    ['one less', ['mov %eax, %edx', 'sub $1, %edx'], { register: -1, sign: 1, constant: -1 }],
    ['as many more as a register says', ['lea (%rsi, %rax), %edx', 'nop'], { register: 4, sign: 1, constant: 0 }],
    ['more by a register that changed', ['lea (%rsi, %rax), %edx', 'mov $2, %esi'], undefined],
    ['of another value', ['lea 1(%rcx), %edx', 'mov %ecx, %eax'], undefined],
  ] as const)('a compare and exchange stores %s', (_, lines, addend) => {
    expect(addendOf(3, 0, instructions(assemble(lines)))).toEqual(addend)
  })
})

test('code that is cut off, or none, is no instruction', () => {
  expect(decodeInstruction(Uint8Array.of(0xf0, 0xff, 0x47), 0)).toBeUndefined()
  expect(decodeInstruction(new Uint8Array(20).fill(0x66), 0)).toBeUndefined()
  expect(decodeInstruction(Uint8Array.of(0x06), 0)).toBeUndefined()
  expect(decodeInstruction(new Uint8Array(0), 0)).toBeUndefined()
})

/** -0 and 0 are the same constant. */
function normal<T extends { sign: number; constant: number } | undefined>(operand: T): T {
  if (!operand) return operand
  const { sign, constant } = operand
  return { ...operand, constant: constant + 0, sign: 'register' in operand && operand.register === -1 ? 1 : sign }
}

function show(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? `${each}` : each))
}

function libc(): string {
  return ['/lib/x86_64-linux-gnu/libc.so.6', '/lib64/libc.so.6', '/usr/lib/libc.so.6'].find(path => existsSync(path))!
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Instructions that write to memory in every form, as text for an assembler, with what each does. */
import type { Effect } from '../../../../src/trace/perfdata/watch/write.ts'

/** Numbers of perf by name of the register, of 64 and of 32 bits. */
const PERF = [0, 3, 2, 1, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23]
const LONG = ['rax', 'rdx', 'rcx', 'rbx', 'rsi', 'rdi', 'rbp', 'rsp', ...extended('')]
const INT = ['eax', 'edx', 'ecx', 'ebx', 'esi', 'edi', 'ebp', 'esp', ...extended('d')]

function extended(suffix: string): string[] {
  return [8, 9, 10, 11, 12, 13, 14, 15].map(n => `r${n}${suffix}`)
}

export interface Form {
  /** In the syntax of GNU as. */
  text: string
  effect: Effect
  width: number
  /** Operand of a constant, or of a register by perf's number. */
  constant?: number
  register?: number
  sign?: 1 | -1
  /** Register that holds afterwards what the memory held. */
  before?: number
  base: number
  index: number
  scale: number
  displacement: number
}

const DISPLACEMENTS = [0, 0x34, -8, 0x1234, -0x100000]
/** Index registers and scales, in turn: rsp cannot be one. */
const INDICES = [
  [-1, 0],
  [2, 1],
  [9, 2],
  [4, 4],
  [15, 8],
] as const

const AX = 0

/** What changes memory by an amount that the instruction does not tell, and what only reads it. */
const UNKNOWN = [
  'lock andl R, M',
  'lock orl $4, M',
  'lock xorl R, M',
  'adcl R, M',
  'lock negl M',
  'lock notl M',
  'shll $2, M',
  'lock btsl $3, M',
  'movups %xmm1, M',
]
const NONE = ['cmpl R, M', 'cmpl $1, M', 'testl $1, M', 'movl M, R']

/** What is written in all these forms: text with M for the memory and R for a register. */
const OPERATIONS: readonly (Omit<Form, 'text' | 'base' | 'index' | 'scale' | 'displacement'> & {
  text: string
  of?: 'register' | 'before'
})[] = [
  { text: 'lock incl M', effect: 'add', width: 4, constant: 1 },
  { text: 'lock decl M', effect: 'add', width: 4, constant: -1 },
  { text: 'incl M', effect: 'add', width: 4, constant: 1 },
  { text: 'lock addl $5, M', effect: 'add', width: 4, constant: 5 },
  { text: 'lock addl $0x12345, M', effect: 'add', width: 4, constant: 0x12345 },
  { text: 'lock subl $1024, M', effect: 'add', width: 4, constant: -1024 },
  { text: 'lock subl $3, M', effect: 'add', width: 4, constant: -3 },
  { text: 'lock addl R, M', effect: 'add', width: 4, of: 'register' },
  { text: 'addl R, M', effect: 'add', width: 4, of: 'register' },
  { text: 'lock subl R, M', effect: 'add', width: 4, of: 'register', sign: -1 },
  { text: 'lock xaddl R, M', effect: 'fetch-add', width: 4, of: 'before' },
  { text: 'lock cmpxchgl R, M', effect: 'compare', width: 4, of: 'register', before: AX },
  { text: 'xchgl R, M', effect: 'exchange', width: 4, of: 'before' },
  { text: 'movl R, M', effect: 'set', width: 4, of: 'register' },
  { text: 'movl $1, M', effect: 'set', width: 4, constant: 1 },
  { text: 'movq $-2, M', effect: 'set', width: 8, constant: -2 },
  { text: 'lock andl $0, M', effect: 'set', width: 4, constant: 0 },
  { text: 'orl $-1, M', effect: 'set', width: 4, constant: -1 },
  ...UNKNOWN.map(text => ({ text, effect: 'unknown', width: 4 }) as const),
  ...NONE.map(text => ({ text, effect: 'none', width: 4 }) as const),
]

/** Every operation with every base register, all sizes of displacement, and each index and operand register in turn. */
export function* forms(): Generator<Form> {
  let turn = 0
  for (const operation of OPERATIONS)
    for (let base = 0; base < LONG.length; base++)
      for (const displacement of DISPLACEMENTS) {
        const [index, scale] = INDICES[turn % INDICES.length]!
        const operand = turn++ % INT.length
        const inner = index < 0 ? `%${LONG[base]}` : `%${LONG[base]}, %${LONG[index]}, ${scale}`
        const memory = `${displacement}(${inner})`
        const { of, text, ...rest } = operation
        yield {
          ...rest,
          ...(of === 'register' ? { register: PERF[operand]!, sign: rest.sign ?? 1 } : {}),
          ...(of === 'before' ? { before: PERF[operand]! } : {}),
          text: text.replace('M', memory).replace('R', `%${INT[operand]}`),
          base: PERF[base]!,
          index: index < 0 ? -1 : PERF[index]!,
          scale: index < 0 ? 0 : scale,
          displacement,
        }
      }
}

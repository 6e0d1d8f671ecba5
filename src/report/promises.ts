// SPDX-License-Identifier: GPL-2.0-or-later
/** Promises as `lastput explain` tells them, in text and in JSON, and as a reader of a report sees them. */
import { kindOf } from '../ledger/findings/kinds.ts'
import { KINDS } from '../ledger/findings/registry.ts'
import { properties } from '../linux/properties.ts'
import { type KernelPromise, kernelSourceText, promiseOf } from '../promises/promises.ts'
import { wrap } from './words.ts'

/** One promise of `lastput.explain/2`. */
export interface PromiseJson {
  readonly id: string
  readonly rule: string
  readonly said?: string
  readonly kernel: { readonly file: string; readonly function: string; readonly commit: string }
  /** Wider promises that are broken with it. */
  readonly partOf: readonly string[]
  /** True if `lastput check` has a property of this name. */
  readonly isChecked: boolean
  /** Kinds of findings by which `lastput trace` reports that it is broken or may be. */
  readonly findings: readonly string[]
}

export function promiseJson({ id, rule, said, kernel, partOf = [] }: KernelPromise): PromiseJson {
  return {
    id,
    rule,
    ...(said === undefined ? {} : { said }),
    kernel,
    partOf,
    isChecked: Object.hasOwn(properties, id),
    findings: KINDS.filter(kind => kind.promise === id).map(kind => kind.id),
  }
}

/** Returns the text of `lastput explain` about one promise: its rule, and which commands check it. */
export function promiseText(promise: KernelPromise): string {
  const { id, rule, said, partOf, isChecked, findings } = promiseJson(promise)
  const paragraph = (head: string, text: string) => wrap(text, `  ${head}: `, '    ')
  const lines = [
    ...wrap(rule, `${id}: `, '  '),
    ...(said === undefined ? [] : wrap(`(${said})`, '  ', '  ')),
    ...paragraph('in the kernel', kernelSourceText(promise)),
    ...(partOf.length > 0 ? paragraph('broken with it', partOf.join(', ')) : []),
    ...paragraph('lastput check', isChecked ? `--property ${id}` : `as a part of ${partOf.join(', ')}`),
    ...(findings.length > 0 ? paragraph('lastput trace', findings.map(findingText).join('; ')) : []),
  ]
  return `${lines.join('\n')}\n`
}

function findingText(id: string): string {
  return `${id}, ${kindOf(id)!.help}`
}

/** The promise behind a property or a kind of finding, in one line; undefined for a rule of a driver's own. */
export function promiseLine(id: string): string | undefined {
  const promise = promiseOf(kindOf(id)?.promise ?? id)
  return (
    promise && `${promise.rule} (${[...(promise.said ? [promise.said] : []), kernelSourceText(promise)].join('; ')})`
  )
}

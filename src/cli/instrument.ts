// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Instruments the code of a user's model to detect two mistakes that JavaScript permits silently: a generator that is created
 * but never run, and a change to state that outlives the run (src/checker/purity.ts). Text is only inserted, never with a
 * newline, so that only columns move in the source map.
 */
import { decode, encode } from '@jridgewell/sourcemap-codec'
import {
  type AnyNode,
  type ArrowFunctionExpression,
  type CallExpression,
  type FunctionDeclaration,
  type FunctionExpression,
  type MemberExpression,
  type Pattern,
  parse,
} from 'acorn'
import { ModelError } from '../checker/index.ts'
import { type FunctionScope, type Scope, scopesOf, targetsOf } from './scopes.ts'

/** The name by which instrumented code finds the hooks. */
export const HOOKS = 'lastput$'

export interface Instrumented {
  readonly code: string
  /** Translates the `mappings` of a source map for the original code to those for the instrumented code. */
  moved(mappings: string): string
}

/** @throws SyntaxError if the code is not a valid script, ModelError for code that cannot be instrumented */
export function instrument(code: string): Instrumented {
  const program = parse(code, { ecmaVersion: 'latest', sourceType: 'script', allowHashBang: true })
  const insertions = new Insertions()
  new Instrumenter(code, insertions).visit(program, scopesOf(program), undefined)
  return { code: insertions.into(code), moved: mappings => insertions.move(code, mappings) }
}

/** Methods that change the array, map or set that they are called on. */
const MUTATORS: ReadonlySet<string> = new Set(
  'push pop shift unshift splice sort reverse fill copyWithin set add delete clear'.split(' '),
)

/** Built-in functions that change their first argument. */
const CHANGERS: ReadonlyMap<string, readonly string[]> = new Map([
  ['Object', ['assign', 'defineProperty', 'defineProperties', 'setPrototypeOf']],
  ['Reflect', ['set', 'defineProperty', 'deleteProperty', 'setPrototypeOf']],
  ['Atomics', ['add', 'and', 'compareExchange', 'exchange', 'or', 'store', 'sub', 'xor']],
])

class Instrumenter {
  private readonly code: string
  private readonly out: Insertions
  private generators = 0

  constructor(code: string, out: Insertions) {
    this.code = code
    this.out = out
  }

  /** @param parent the node's parent, which decides whether the node's value is used; undefined for the program */
  visit(node: AnyNode, outer: Scope, parent: AnyNode | undefined): void {
    const scope = outer.at(node)
    // Top-level code is not instrumented: it only defines the bundle's function, and the hooks are that function's parameter.
    if (scope.isInFunction) this.wrap(node, scope, parent)
    for (const child of children(node)) this.visit(child, scope, node)
    if (isFunction(node)) this.enter(node, scope)
  }

  private wrap(node: AnyNode, scope: Scope, parent: AnyNode | undefined): void {
    switch (node.type) {
      case 'YieldExpression':
        if (node.delegate) this.hook('delegate', node.argument!)
        return
      case 'ObjectExpression':
      case 'ArrayExpression':
      case 'NewExpression':
        this.hook('born', node)
        return
      case 'ChainExpression':
        if (node.expression.type === 'CallExpression') this.hook('born', node)
        return
      case 'CallExpression':
        this.call(node, parent)
        return
      case 'AssignmentExpression':
        this.change(node, node.left, scope)
        return
      case 'UpdateExpression':
        this.change(node, node.argument as Pattern, scope)
        return
      case 'ForInStatement':
      case 'ForOfStatement':
        if (node.left.type !== 'VariableDeclaration') this.change(node.right, node.left, scope)
        return
      case 'UnaryExpression':
        if (node.operator === 'delete') this.change(node, node.argument as Pattern, scope)
        return
    }
  }

  private call(node: CallExpression, parent: AnyNode | undefined): void {
    const { callee } = node
    if (callee.type === 'MemberExpression' && !callee.computed && callee.property.type === 'Identifier')
      this.method(node, callee, callee.property.name)
    const isUnused = parent?.type === 'ExpressionStatement' || (parent?.type === 'YieldExpression' && parent.delegate)
    // A call within an optional chain cannot be wrapped: that would cut the chain, and with it the short circuit.
    const isPart = parent?.type === 'ChainExpression' || inChain(node, parent)
    if (!isUnused && !isPart && callee.type !== 'Super') this.hook('born', node)
  }

  /** Instruments a method call that changes its object (`list.push(x)`) or its argument (`Object.assign(x)`). */
  private method({ arguments: [first] }: CallExpression, callee: MemberExpression, name: string): void {
    if (MUTATORS.has(name) && !isOptional(callee.object)) this.ofObject('mutates', callee)
    const { object } = callee
    const isOf = object.type === 'Identifier' ? CHANGERS.get(object.name) : undefined
    if (isOf?.includes(name) && first && first.type !== 'SpreadElement') this.hook('changes', first)
  }

  /** Instruments an assignment to members of objects and to variables of enclosing functions. */
  private change(node: AnyNode, target: Pattern, scope: Scope): void {
    const { members, names } = targetsOf(target)
    for (const member of members) this.ofObject('changes', member)
    for (const name of names) {
      const of = scope.find(name)
      if (!of || of === scope.of || !of.markable) continue
      const variable = of.mark()
      this.out.around(node, `(${HOOKS}.assigns(${variable}, ${JSON.stringify(name)}), `, ')')
    }
  }

  private ofObject(hook: 'changes' | 'mutates', { object }: MemberExpression): void {
    if (object.type !== 'Super') this.hook(hook, object)
  }

  private hook(name: string, node: AnyNode): void {
    const isList = node.type === 'SequenceExpression'
    this.out.around(node, `${HOOKS}.${name}(${isList ? '(' : ''}`, isList ? '))' : ')')
  }

  /** Inserts a function's prologue. Its inner functions, visited before, have marked it if they assign its variables. */
  private enter(node: FunctionNode, scope: Scope): void {
    const isGenerator = node.generator && !node.async
    const ticket = `${HOOKS}t${this.generators++}`
    const first = isGenerator ? this.ticket(node, ticket) : ''
    const { variable } = scope.of as FunctionScope
    if (node.body.type !== 'BlockStatement') return
    const run = variable === undefined ? '' : `const ${variable} = ${HOOKS}.run();`
    this.out.after(node.body.start + 1, `${run}${first}`)
  }

  /**
   * Makes a generator function draw a ticket (`made`) when it is called, and returns the code that marks the ticket as used
   * (`begun`) when its body starts to run. The ticket is drawn by the default value of a rest parameter's pattern, which is
   * evaluated in every call: no array of arguments has a property of the hooks' name.
   */
  private ticket(node: FunctionNode, ticket: string): string {
    const { params, body } = node
    const name = ('id' in node && node.id?.name) || 'a generator function'
    const asks = `...{ "${HOOKS}": ${ticket} = ${HOOKS}.made(${JSON.stringify(`the call of ${name}()`)})`
    const begun = `${HOOKS}.begun(${ticket});`
    const last = params.at(-1)
    if (last?.type === 'RestElement') {
      const { type, start, end } = last.argument
      if (type !== 'Identifier')
        throw new ModelError(`${name}() takes its rest apart where it is declared: give the rest a name first`)
      this.out.before(last.start, `${asks}, `)
      this.out.after(end, ' }')
      const rest = this.code.slice(start, end)
      return `${begun}${rest} = Object.values(${rest});`
    }
    const close = this.code.lastIndexOf(')', body.start)
    const comma = params.length > 0 && !/,\s*$/.test(this.code.slice(last!.end, close)) ? ', ' : ''
    this.out.before(close, `${comma}${asks} }`)
    return begun
  }
}

type FunctionNode = FunctionDeclaration | FunctionExpression | ArrowFunctionExpression

function isFunction(node: AnyNode): node is FunctionNode {
  return (
    node.type === 'FunctionDeclaration' || node.type === 'FunctionExpression' || node.type === 'ArrowFunctionExpression'
  )
}

/** True for a call that is followed by further parts of its optional chain. */
function inChain(node: AnyNode, parent: AnyNode | undefined): boolean {
  const isHead =
    (parent?.type === 'MemberExpression' && parent.object === node) ||
    (parent?.type === 'CallExpression' && parent.callee === node)
  return isHead || ('optional' in node && node.optional === true)
}

/** True for a part of an optional chain, which is not evaluated if a part before it is null or undefined. */
function isOptional(node: AnyNode): boolean {
  if (node.type === 'MemberExpression') return node.optional || isOptional(node.object)
  if (node.type === 'CallExpression') return node.optional || isOptional(node.callee)
  return false
}

/** The direct children of a node, in the order of the text. */
function* children(node: AnyNode): Generator<AnyNode> {
  for (const value of Object.values(node))
    for (const each of Array.isArray(value) ? value : [value])
      if (typeof each?.type === 'string' && typeof each.start === 'number') yield each as AnyNode
}

/** Insertions into a text, collected first and then applied all at once. */
class Insertions {
  /** By offset: closing text of nodes that end there, and opening text of nodes that begin there. */
  private readonly ends = new Map<number, string>()
  private readonly begins = new Map<number, string>()

  /** Wraps a node. Outer nodes must be wrapped before inner ones, so that the texts nest. */
  around({ start, end }: { start: number; end: number }, open: string, close: string): void {
    this.begins.set(start, (this.begins.get(start) ?? '') + open)
    this.ends.set(end, close + (this.ends.get(end) ?? ''))
  }

  before(at: number, text: string): void {
    this.begins.set(at, (this.begins.get(at) ?? '') + text)
  }

  after(at: number, text: string): void {
    this.ends.set(at, text + (this.ends.get(at) ?? ''))
  }

  into(code: string): string {
    const parts: string[] = []
    let from = 0
    for (const [at, text] of this.sorted()) {
      parts.push(code.slice(from, at), text)
      from = at
    }
    return parts.join('') + code.slice(from)
  }

  /** Moves the columns of source map segments by the insertions before them on their line. */
  move(code: string, mappings: string): string {
    const insertions = this.sorted()
    let next = 0
    let start = 0
    const lines = decode(mappings).map(segments => {
      const newline = code.indexOf('\n', start)
      const end = newline < 0 ? code.length : newline
      const here: { column: number; length: number }[] = []
      for (; next < insertions.length && insertions[next]![0] <= end; next++)
        here.push({ column: insertions[next]![0] - start, length: insertions[next]![1].length })
      start = end + 1
      let moved = 0
      let i = 0
      return segments.map(([column, ...rest]) => {
        for (; i < here.length && here[i]!.column < column; i++) moved += here[i]!.length
        return [column + moved, ...rest] as (typeof segments)[number]
      })
    })
    return encode(lines)
  }

  private sorted(): [number, string][] {
    const places = [...new Set([...this.ends.keys(), ...this.begins.keys()])].sort((a, b) => a - b)
    return places.map(at => [at, (this.ends.get(at) ?? '') + (this.begins.get(at) ?? '')])
  }
}

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Makes a model's code tell the checker what JavaScript tells nobody: that a generator was made and is not run, and that something
 * is changed which outlives the run (src/checker/purity.ts). Text is only put in, never on a line of its own, so that a source map
 * needs its columns moved and nothing else.
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
  /** A source map's mappings for the code, of those for what it was. */
  moved(mappings: string): string
}

/** @throws SyntaxError for what is no script */
export function instrument(code: string): Instrumented {
  const program = parse(code, { ecmaVersion: 'latest', sourceType: 'script', allowHashBang: true })
  const insertions = new Insertions()
  new Instrumenter(code, insertions).visit(program, scopesOf(program), undefined)
  return { code: insertions.into(code), moved: mappings => insertions.move(code, mappings) }
}

/** Methods by which lists, maps and sets are changed. */
const MUTATORS: ReadonlySet<string> = new Set(
  'push pop shift unshift splice sort reverse fill copyWithin set add delete clear'.split(' '),
)

/** Functions of JavaScript's own that change their first argument. */
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

  /** @param parent of the node, where what it does with the node's value matters */
  visit(node: AnyNode, outer: Scope, parent: AnyNode | undefined): void {
    const scope = outer.at(node)
    // What stands outside of all functions puts the script together, where there are no hooks yet.
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
    // Within a chain, what stands between its parts is not for us to touch.
    const isPart = parent?.type === 'ChainExpression' || inChain(node, parent)
    if (!isUnused && !isPart && callee.type !== 'Super') this.hook('born', node)
  }

  /** What a method changes: its object, or what it is handed. */
  private method({ arguments: [first] }: CallExpression, callee: MemberExpression, name: string): void {
    if (MUTATORS.has(name) && !isOptional(callee.object)) this.ofObject('mutates', callee)
    const { object } = callee
    const isOf = object.type === 'Identifier' ? CHANGERS.get(object.name) : undefined
    if (isOf?.includes(name) && first && first.type !== 'SpreadElement') this.hook('changes', first)
  }

  /** What an assignment changes: members of objects, and variables of functions further out. */
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

  /** What stands at a function's beginning. Its inner functions were visited, and have said which variables they assign. */
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
   * Makes a generator function ask for a number when it is called, and returns what it says when it is run. The pattern of a rest
   * asks, whatever the function is called with: no list of arguments has a member of our name.
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

/** True for a call whose value the rest of an optional chain goes on from. */
function inChain(node: AnyNode, parent: AnyNode | undefined): boolean {
  const isHead =
    (parent?.type === 'MemberExpression' && parent.object === node) ||
    (parent?.type === 'CallExpression' && parent.callee === node)
  return isHead || ('optional' in node && node.optional === true)
}

/** True for a part of an optional chain, which may have no value at all. */
function isOptional(node: AnyNode): boolean {
  if (node.type === 'MemberExpression') return node.optional || isOptional(node.object)
  if (node.type === 'CallExpression') return node.optional || isOptional(node.callee)
  return false
}

/** Nodes below a node, in the order of the text. */
function* children(node: AnyNode): Generator<AnyNode> {
  for (const value of Object.values(node))
    for (const each of Array.isArray(value) ? value : [value])
      if (typeof each?.type === 'string' && typeof each.start === 'number') yield each as AnyNode
}

/** Text to put into a text. */
class Insertions {
  /** By place, what ends there and what begins there. */
  private readonly ends = new Map<number, string>()
  private readonly begins = new Map<number, string>()

  /** Around a node; call it for outer nodes first. */
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

  /** Mappings of a source map in which what stands behind an insertion has moved on its line. */
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

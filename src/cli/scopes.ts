// SPDX-License-Identifier: GPL-2.0-or-later
/** Resolves names to the functions that declare them: JavaScript's scopes, as far as assignments need them. */
import type { AnyNode, Identifier, MemberExpression, Pattern, Program } from 'acorn'

/** A function, or the whole script. */
export class FunctionScope {
  /** True for a function with a block body: the variable of {@link mark} is declared at its beginning. */
  readonly markable: boolean
  /** Name of the variable that holds the run in which the function was entered; set if an inner function assigns its names. */
  variable: string | undefined
  private static count = 0

  readonly isFunction: boolean

  constructor(isFunction: boolean, hasBlock: boolean) {
    this.isFunction = isFunction
    this.markable = hasBlock
  }

  mark(): string {
    this.variable ??= `lastput$r${FunctionScope.count++}`
    return this.variable
  }
}

/** A block, with the names that it declares. */
export class Scope {
  readonly of: FunctionScope
  private readonly names: ReadonlySet<string>
  private readonly outer: Scope | undefined

  constructor(of: FunctionScope, names: Iterable<string>, outer: Scope | undefined) {
    this.of = of
    this.names = new Set(names)
    this.outer = outer
  }

  /** False at the top level of the script. */
  get isInFunction(): boolean {
    return this.of.isFunction
  }

  /** Returns the function, or the script, that declares a name; undefined for a global. */
  find(name: string): FunctionScope | undefined {
    let scope: Scope | undefined = this
    while (scope && !scope.names.has(name)) scope = scope.outer
    return scope?.of
  }

  /** Returns the scope of a node's children. */
  at(node: AnyNode): Scope {
    switch (node.type) {
      case 'FunctionDeclaration':
      case 'FunctionExpression':
      case 'ArrowFunctionExpression': {
        const names = [...node.params.flatMap(namesOf), ...variablesOf(node.body)]
        return new Scope(new FunctionScope(true, node.body.type === 'BlockStatement'), names, this)
      }
      case 'BlockStatement':
      case 'StaticBlock':
      case 'Program':
        return this.inner(node.body.flatMap(lexicalNames))
      case 'SwitchStatement':
        return this.inner(node.cases.flatMap(c => c.consequent.flatMap(lexicalNames)))
      case 'ForStatement':
        return this.inner(node.init ? lexicalNames(node.init) : [])
      case 'ForInStatement':
      case 'ForOfStatement':
        return this.inner(lexicalNames(node.left))
      case 'CatchClause':
        return this.inner(node.param ? namesOf(node.param) : [])
      default:
        return this
    }
  }

  private inner(names: readonly string[]): Scope {
    return names.length === 0 ? this : new Scope(this.of, names, this)
  }
}

export function scopesOf(program: Program): Scope {
  return new Scope(new FunctionScope(false, false), variablesOf(program), undefined)
}

/** The targets of an assignment, which are several for a destructuring one. */
export interface Targets {
  readonly members: readonly MemberExpression[]
  readonly names: readonly string[]
}

export function targetsOf(pattern: Pattern): Targets {
  const leaves = leavesOf(pattern)
  return {
    members: leaves.filter(l => l.type === 'MemberExpression'),
    names: leaves.flatMap(l => (l.type === 'Identifier' ? [l.name] : [])),
  }
}

function namesOf(pattern: Pattern): string[] {
  return [...targetsOf(pattern).names]
}

function leavesOf(pattern: Pattern | null): (Identifier | MemberExpression)[] {
  switch (pattern?.type) {
    case 'Identifier':
    case 'MemberExpression':
      return [pattern]
    case 'ObjectPattern':
      return pattern.properties.flatMap(p => leavesOf(p.type === 'Property' ? p.value : p.argument))
    case 'ArrayPattern':
      return pattern.elements.flatMap(leavesOf)
    case 'RestElement':
      return leavesOf(pattern.argument)
    case 'AssignmentPattern':
      return leavesOf(pattern.left)
    default:
      return []
  }
}

/** Names that a statement declares in its block (`let`, `const`, `class`, `function`). */
function lexicalNames(node: AnyNode): string[] {
  if (node.type === 'VariableDeclaration')
    return node.kind === 'var' ? [] : node.declarations.flatMap(d => namesOf(d.id))
  if (node.type === 'FunctionDeclaration' || node.type === 'ClassDeclaration') return node.id ? [node.id.name] : []
  return []
}

/** Names that `var` declares anywhere in a function. */
function variablesOf(node: AnyNode): string[] {
  const out: string[] = []
  const visit = (at: unknown): void => {
    if (Array.isArray(at)) for (const each of at) visit(each)
    const inner = at as Partial<AnyNode> | null
    if (typeof inner?.type !== 'string' || /Function|^Class/.test(inner.type)) return
    if (inner.type === 'VariableDeclaration' && inner.kind === 'var')
      out.push(...inner.declarations!.flatMap(d => namesOf(d.id)))
    for (const value of Object.values(inner)) if (typeof value === 'object') visit(value)
  }
  visit(node)
  return out
}

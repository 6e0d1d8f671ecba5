// SPDX-License-Identifier: GPL-2.0-or-later
// Every way to misuse the language that was thought of: none may end in a verdict about other code than the user's.
import module from 'node:module'
import { describe, expect, test } from 'vitest'
import * as engine from '../../src/checker/index.ts'
import { hooks } from '../../src/checker/purity.ts'
import { HOOKS, instrument } from '../../src/cli/instrument.ts'
import { placeOf } from '../../src/cli/model-place.ts'
import * as linux from '../../src/linux/index.ts'

/** Two threads that would break `broken` when both steps of `take` are taken, and hold when one is dropped. */
const HEAD = `const { always, at_rest, call, cell, check, choose, read, repeat, step, system, thread, wait_until, write, AGAIN } = engine
const x = cell('x', { max: 3 }), y = cell('y', { max: 3 })
const of = (body, more = []) => system('s', { cells: [x, y], threads: [thread('t', body, { times: 1 }), ...more] })
function* bug() { yield* step('bug', s => s.warn(true, 'broken')) }
`
const LINES = HEAD.split('\n').length

interface Compiled {
  exports: (of: typeof engine, kernel: typeof linux, instrumented: typeof hooks) => engine.System
  _compile(text: string, filename: string): void
}

/** Makes a system by a text, instrumented as a file of the user's is; the text begins at line {@link LINES}. */
function made(text: string): engine.System {
  const compiled = new module.Module('/model.js') as unknown as Compiled
  const code = `module.exports = function (engine, linux, ${HOOKS}) { "use strict"; ${HEAD}${text}\n}`
  compiled._compile(instrument(code).code, '/model.js')
  return compiled.exports(engine, linux, hooks)
}

/** The error that a text leads to, with its line in the text, from 1. */
async function refused(text: string): Promise<string> {
  let verdict: engine.Verdict
  try {
    verdict = await engine.check(made(text))
  } catch (e) {
    const error = e as Error
    const place = placeOf(error.cause) || placeOf(error)
    const line = Number(/model\.js:(\d+):\d+\)$/.exec(place)?.[1]) - LINES + 1
    if (!(error instanceof engine.ModelError || error instanceof TypeError)) throw e
    return `${error.message} @${Number.isNaN(line) ? 'nowhere' : line}`
  }
  return `no error: ${verdict.verdict}`
}

async function verdictOf(text: string): Promise<string> {
  const { verdict, property = '' } = await engine.check(made(text))
  return `${verdict} ${property}`.trim()
}

test('what the others are changed from is found', async () => {
  expect(await verdictOf('function* f() {\n yield* read(x)\n yield* bug()\n}\nreturn of(f)')).toBe('violated broken')
})

describe('steps that nobody takes', () => {
  test.each([
    ['a step', 'step("a", s => s.set(x, 1))', 'f drops step "a": nothing runs it without a yield* in front @3'],
    ['a read', 'read(y)', 'f drops step "read y": nothing runs it without a yield* in front @3'],
    ['a function of the model', 'bug()', 'f drops the call of bug(): nothing runs it without a yield* in front @3'],
    ['a call', 'call(bug)', 'f drops call() of bug: nothing runs it without a yield* in front @3'],
    ['a repeat', 'repeat(bug)', 'f drops repeat() of bug: nothing runs it without a yield* in front @3'],
    [
      'a function of the kernel',
      'linux.put_page(1)',
      'f drops put_page(): nothing runs it without a yield* in front @3',
    ],
    ['a protocol', 'linux.G.put_page(1)', 'f drops put_page(): nothing runs it without a yield* in front @3'],
    [
      'a condition',
      'if (read(y)) yield* read(y)',
      'f drops step "read y": nothing runs it without a yield* in front @3',
    ],
    ['a comparison', 'if (read(y) === 1) yield* bug()', 'f drops step "read y": .* @3'],
    ['a variable', 'const later = bug()', 'f drops the call of bug\\(\\): .* @3'],
    ['a callback', '[1, 2].forEach(bug)', 'f drops the call of bug\\(\\): .* @3'],
    ['a callback of the kernel', '[1, 2].forEach(linux.put_page)', 'f drops put_page\\(\\): .* @3'],
    [
      'a callback written there',
      '[1].forEach(function* (p) { yield* bug() })',
      'f drops the call of a generator function.* @3',
    ],
    ['a list', 'const all = [1, 2].map(() => bug())', 'f drops the call of bug\\(\\): .* @3'],
    [
      'one of a list',
      'for (const each of [bug(), bug()].slice(1)) yield* each',
      'f drops the call of bug\\(\\): .* @3',
    ],
    [
      'a function with a rest',
      'const g = function* (...all) { yield* bug() }; g(1)',
      'f drops the call of a generator function\\(\\).* @3',
    ],
    [
      'a method',
      'const o = { *m(a = 1) { yield* bug() } }; o.m()',
      'f drops the call of a generator function\\(\\).* @3',
    ],
    [
      'a class',
      'class C { *m() { yield* bug() } }; new C().m()',
      'f drops the call of a generator function\\(\\).* @3',
    ],
    ['a result', 'return step("a", s => s.set(x, 1))', 'f drops step "a": .* @3'],
    ['the first of two', 'yield* (bug(), read(y))', 'f drops the call of bug\\(\\): .* @3'],
    ['an await', 'const a = async () => { await read(y) }; a()', 'a drops step "read y": .* @3'],
    ['one branch', 'if ((yield* read(y)) === 3) write(y, 0)', 'f drops step "write y": .* @3'],
    ['before the end', 'bug(); yield* step("end", s => s.fail("end"))', 'f drops the call of bug\\(\\): .* @3'],
    ['before a block', 'bug(); yield* step("end", s => s.wait(false))', 'f drops the call of bug\\(\\): .* @3'],
    ['before a call without end', 'bug(); yield* call(stop)', 'f drops the call of bug\\(\\): .* @3'],
    ['in a try', 'try { bug() } catch {}', 'f drops the call of bug\\(\\): .* @3'],
    ['in a finally', 'try { yield* read(y) } finally { bug() }', 'f drops the call of bug\\(\\): .* @3'],
    ['in an inner function', 'const inner = () => { bug() }; inner()', 'inner drops the call of bug\\(\\): .* @3'],
  ])('%s: %s', async (_, text, said) => {
    const all = `function* f() {\n yield* read(x);\n ${text}\n}\nfunction* stop() { yield* step("end", s => s.wait(false)) }\nreturn of(f)`
    expect(await refused(all)).toMatch(new RegExp(`^${said.includes('.*') ? said : escaped(said)}$`))
  })

  test('in what is called from elsewhere, the function is named that does it, not the one that was learned', async () => {
    const text = `function* page_free() {\n step("clear", s => s.set(x, 0))\n yield* read(x)\n}
      function* put_page() { yield* page_free() }
      function* f() { yield* call(put_page) }\nreturn of(f)`
    expect(await refused(text)).toBe('page_free drops step "clear": nothing runs it without a yield* in front @2')
  })

  test('before what the missing result makes throw', async () => {
    const text = 'function* f() {\n yield* read(x)\n const page = step("alloc", s => 1)\n page.x.y\n}\nreturn of(f)'
    expect(await refused(text)).toBe(
      `f drops step "alloc": nothing runs it without a yield* in front; then f throws TypeError: Cannot read properties of undefined (reading 'y') @3`,
    )
  })

  test('before a body that its missing result makes throw', async () => {
    const text =
      'function* f() {\n yield* read(x)\n const page = step("alloc", s => 1)\n yield* step("use", s => page.x.y)\n}\nreturn of(f)'
    expect(await refused(text)).toMatch(
      /^f drops step "alloc": nothing runs it without a yield\* in front; then step "use" throws TypeError: .* @3$/,
    )
  })

  test('in the simulator', () => {
    const system = made('function* f() {\n yield* read(x)\n bug()\n}\nreturn of(f)')
    const interpreter = new engine.Interpreter(system)
    const first = interpreter.initial()
    expect(() => interpreter.after(system.threads[0]!, first.places[0]!, 0)).toThrow('f drops the call of bug()')
    const caught = ['s.fail("no")', 's.wait(false)', 's.set(x, 9)'].map(ends => `try { ${ends} } catch {}`)
    for (const body of [...caught, 'try { s.wait(false) } finally { s.fail("no") }']) {
      const other = made(`return of(function* f() { yield* step("a", s => { ${body} }) })`)
      const steps = new engine.Interpreter(other)
      const { values, places } = steps.initial()
      expect(() => steps.outcomes(places[0]!.next!, values)).toThrow('step "a" catches what ends a run of its body')
    }
  })

  test('an unused kernel function is seen in a library, too, where nothing is instrumented', async () => {
    function* f(): engine.Steps<void> {
      yield* engine.read(c)
      linux.put_page(undefined as never)
    }
    const c = engine.cell('c', { max: 1 })
    const of = engine.system('s', { cells: [c], threads: [engine.thread('t', f)] })
    await expect(engine.check(of)).rejects.toThrow('f drops put_page(): nothing runs it without a yield* in front')
  })

  test('every function and protocol of the package is seen to be dropped', () => {
    const all: [string, unknown][] = [linux, engine, ...linux.protocols].flatMap(Object.entries)
    expect(all.filter(([, value]) => engine.isGeneratorFunction(value)).map(([name]) => name)).toEqual([])
  })
})

describe('steps that are run in another way', () => {
  test.each([
    ['yield step("a", s => s.set(x, 1))', 'f yields step "a": is a yield* missing its *? @3'],
    ['yield bug()', 'f yields the call of bug(): is a yield* missing its *? @3'],
    ['yield linux.put_page(1)', 'f yields put_page(): is a yield* missing its *? @3'],
    ['yield 5', 't yields something that is no step: is a yield* missing its *? @nowhere'],
    [
      'const a = [...read(y)]',
      'f takes step "read y" apart: it is run by yield* alone, not by a loop, a spread or next() @3',
    ],
    ['const [a] = bug()', 'bug takes step "bug" apart: .*'],
    ['for (const a of read(y)) break', 'f takes step "read y" apart: .* @3'],
    ['for (const a of bug()) a.body', 'bug takes step "bug" apart: .*'],
    ['Array.from(read(y))', 'f takes step "read y" apart: .* @3'],
    ['read(y).next()', 'f takes step "read y" apart: .* @3'],
    ['const a = read(y); a.next(); yield* a', 'f takes step "read y" apart: .* @3'],
    ['linux.get_page({}).next()', 'f takes step "get_page" apart: .* @3'],
    ['yield* [bug()]', 'f yields the call of bug\\(\\): .* @3'],
    [
      'const g = bug(); yield* g; yield* g',
      'a generator is run a second time, and does nothing: call the function again instead @3',
    ],
    ['yield* step', 'yield* of step itself, which takes no step: call it @3'],
    [
      'yield* call(bug())',
      'call() takes a function and its arguments, as call(put_page, page), not what it returns @3',
    ],
    ['yield* step("a")', 'step "a" has no body: it is step(name, s => ...) @3'],
    ['thread("u", bug)', "u is made by a run: threads are the system's, from its beginning @3"],
  ])('%s', async (text, said) => {
    const found = await refused(`function* f() {\n yield* read(x);\n ${text}\n}\nreturn of(f)`)
    expect(found.replace(/^thread /, '')).toMatch(new RegExp(`^${said.includes('.*') ? said : escaped(said)}$`))
  })

  test('a rest that is taken apart where it is declared', () => {
    expect(() => made('function* f(...[a]) { yield* read(x) }')).toThrow('f() takes its rest apart')
  })

  test('threads that are no generators', async () => {
    expect(await refused('return of(async () => { await read(x) })')).toMatch(
      /^thread t is async: a modelled function is a function\*, whose steps are taken by yield\*/,
    )
    expect(await refused('return of(async function* () { yield* read(x) })')).toMatch(/^thread t .*/)
    expect(await refused('return of(() => 5)')).toMatch(/^thread t is no generator/)
    expect(await refused('return of(bug())')).toMatch(
      /^thread t has no body: it is thread\(name, function\* \(\) \.\.\.\)/,
    )
  })
})

describe('bodies that are more than one step', () => {
  test.each([
    [
      'read(y)',
      'step "a" has step "read y" inside: what is one step has no steps of its own, so take it before or after @2',
    ],
    ['bug()', 'step "a" has the call of bug\\(\\) inside: .* @2'],
    ['for (const r of bug()) r.body(s)', 'step "a" has .* inside: .*'],
    ['linux.put_page(1)', 'step "a" has put_page\\(\\) inside: .* @2'],
    ['s.wait(read(y))', 'step "a" has step "read y" inside: .* @2'],
    ['return read(y)', 'step "a" has step "read y" inside: .* @2'],
    ['if (s.get(x) === 0) s.fail("no"); else read(y)', 'step "a" has step "read y" inside: .* @2'],
    ['try { s.get(x) } catch {}', 'step "a" catches what ends a run of its body .*: leave try and catch out @.*'],
    ['try { s.fail("no") } catch {}', 'step "a" catches .*'],
    ['try { s.wait(false) } finally { return 1 }', 'step "a" catches .*'],
    ['try { s.set(x, 9) } catch { s.set(x, 0) }', 'step "a" catches .*'],
    ['try { s.choose(2) } catch (e) { throw new Error("mine") }', 'step "a" catches .*'],
    // What ends the run in the place of what was caught.
    ['try { if (s.get(x) === 0) return } catch {} s.fail("no")', 'step "a" catches .*'],
    ['try { if (s.get(x) === 0) return } catch {} s.wait(false)', 'step "a" catches .*'],
    ['try { s.wait(false) } finally { s.fail("no") }', 'step "a" catches .*'],
    ['try { s.get(x) } finally { s.get(y) }', 'step "a" catches .*'],
    ['throw undefined', 'step "a" throws undefined.*'],
    ['s.wait(() => s.get(x) === 0)', 'step "a": s.wait\\(\\) takes true or false, not a function: call it first @2'],
    ['s.warn({}, "p")', 'step "a": s.warn\\(\\) takes true or false, not an object: call it first @2'],
    ['kept = s', "a step's body changes kept, which is not its own: .* @2"],
  ])('%s', async (text, said) => {
    const all = `let kept; function* f() { yield* step("a", s => {\n ${text}\n}) }\nreturn of(f)`
    expect(await refused(all)).toMatch(new RegExp(`^${said}$`))
  })

  test('async bodies, and bodies that are generators', async () => {
    const of = (body: string) => refused(`return of(function* f() { yield* step("a", ${body}) })`)
    expect(await of('async s => { await 1; s.set(x, 1) }')).toMatch(
      /^step "a": its body is async, and what it does after an await is never done/,
    )
    expect(await of('function* (s) { s.set(x, 1) }')).toMatch(/^step "a" has the call of a generator function/)
  })

  test('what a body was handed, used elsewhere', async () => {
    const text = `const box = []
      function* f() { yield* step("a", s => { hold(s) })
      yield* step("b", s => box[0].set(x, 1)) }
      const hold = Function('box', 's', 'box[0] = s').bind(null, box)
      return of(f)`
    expect(await refused(text)).toMatch(
      /what its body was handed is used after the body's end, outside of any step @3$/,
    )
  })

  test('invariants that do more than to look, or say neither yes nor no', async () => {
    const of = (holds: string) =>
      refused(`return system("s", { cells: [x], threads: [thread("t", bug)], properties: [always("p", ${holds})] })`)
    expect(await of('v => { v.set(x, 1); return true }')).toMatch(/^invariant "p" does more than to look/)
    expect(await of('v => { v.warn(true, "q"); return true }')).toMatch(/^invariant "p" does more than to look/)
    expect(await of('v => v.choose(2) === 0')).toMatch(/^invariant "p" does more than to look/)
    expect(await of('async v => v.get(x) === 0')).toMatch(/^invariant "p": its body is async/)
    expect(await of('v => v.get(x)')).toMatch(/^invariant "p" returns 0, neither true nor false/)
    expect(await of('v => { read(x); return true }')).toMatch(/^invariant "p" has step "read x" inside/)
  })
})

describe('state that is in no cell', () => {
  test.each([
    [
      'a variable of a thread, set by a body',
      'let free; yield* step("a", s => { free = s.get(y) === 0 }); if (free) yield* bug()',
      "a step's body changes free, .*",
    ],
    [
      'a list',
      'const got = []; yield* step("a", s => { got.push(s.get(y)) }); if (got[0] === 0) yield* bug()',
      "a step's body changes an object, .*",
    ],
    [
      'an object',
      'const got = {}; yield* step("a", s => { got.y = s.get(y) }); if (got.y === 0) yield* bug()',
      "a step's body changes an object, .*",
    ],
    [
      'a map',
      'const got = new Map(); yield* step("a", s => { got.set(1, s.get(y)) })',
      "a step's body changes an object, .*",
    ],
    [
      'an alias',
      'const got = {}; yield* step("a", s => { const o = got; o.y = s.get(y) })',
      "a step's body changes an object, .*",
    ],
    ['a pattern', 'let a; yield* step("a", s => { [a] = [s.get(y)] })', "a step's body changes a, .*"],
    ['a loop', 'let a; yield* step("a", s => { for (a of [s.get(y)]); })', "a step's body changes a, .*"],
    [
      'Object.assign',
      'const a = {}; yield* step("a", s => { Object.assign(a, { y: s.get(y) }) })',
      "a step's body changes an object, .*",
    ],
    [
      'a variable of all',
      'yield* read(y); shared = 1',
      'shared is changed, which other runs share: what outlives a run is kept in cells',
    ],
    ['a counter', 'yield* read(y); shared++', 'shared is changed, .*'],
    ['a counter in a closure', 'yield* read(y); next()', 'shared is changed, .*'],
    [
      'an object of all',
      'yield* read(y); state.n += 1',
      'an object is changed, which other runs share: what outlives a run is kept in cells',
    ],
    ['a list of all', 'yield* read(y); list.push(1)', 'an object is changed, .*'],
    ['a field of a class', 'yield* read(y); counter.up()', 'an object is changed, .*'],
    ['a private field', 'yield* read(y); counter.upPrivate()', 'an object is changed, .*'],
    ['the global object', 'yield* read(y); globalThis.n = 1', 'an object is changed, .*'],
    ['delete', 'yield* read(y); delete state.n', 'an object is changed, .*'],
  ])('%s', async (_, text, said) => {
    const all = `let shared = 0; const state = { n: 0 }, list = [], next = () => shared++
    class Counter { n = 0; #p = 0; up() { this.n++ }; upPrivate() { this.#p++ } }; const counter = new Counter()
    function* f() { ${text} }\nreturn of(f)`
    expect(await refused(all)).toMatch(new RegExp(`^(f: |step "a": )?${said} @[123]$`))
  })

  test('one thread tells another by a variable', async () => {
    const text = `let done = false
      function* f() { yield* write(x, 1); done = true }
      function* g() { yield* read(y); if (!done) yield* bug() }
      return of(f, [thread('u', g)])`
    expect(await refused(text)).toMatch(/^(f: )?done is changed, which other runs share/)
  })

  test('cells are as they were declared', async () => {
    expect(() => made('x.max = 7; return of(bug)')).toThrow(TypeError)
    expect(await refused('function* f() { yield* read(x); x.max = 7 }\nreturn of(f)')).toMatch(
      /x?.*(read only|changed)/,
    )
    const late = "function* f() { const z = cell('z', { max: 1 }); yield* read(z) }\nreturn of(f)"
    expect(await refused(late)).toMatch(/cell z is used but not among the system's cells @1/)
  })
})

describe('what is meant stays possible', () => {
  test.each([
    ['a step that is made before it is taken', 'const a = step("a", s => s.set(x, 1)), b = bug(); yield* a; yield* b'],
    ['a step that is taken twice', 'const a = step("a", s => { s.set(x, 1) }); yield* a; yield* a; yield* bug()'],
    ['a step of all threads', 'yield* common; yield* common; yield* bug()'],
    ['state of a run', 'let n = 0; const up = () => { n++ }; up(); yield* read(y); up(); if (n === 2) yield* bug()'],
    [
      'a list of a run',
      'const all = []; for (const i of [1, 2]) all.push(yield* read(y)); if (all.length === 2) yield* bug()',
    ],
    [
      'state of a body',
      'yield* step("a", s => { let n = 0; const l = []; [1, 2].forEach(i => { n += i; l.push(i) }); s.set(x, n) }); yield* bug()',
    ],
    ['steps from a list', 'for (const each of [read(x), bug()]) yield* each'],
    ['no steps', 'yield* undefined ?? []; yield* bug()'],
    [
      'a rest',
      'const g = function* (a, ...b) { yield* write(x, b.length); if (b[1] === 7) yield* bug() }; yield* g(1, 2, 7)',
    ],
    ['defaults', 'const g = function* (a, b = a) { if (b === 1) yield* bug() }; yield* read(x); yield* g(1)'],
    [
      'an argument of a method',
      'const o = { n: 2, *m({ a }, [b] = [3]) { yield* read(x); if (this.n + a + b === 6) yield* bug() } }; yield* o.m({ a: 1 })',
    ],
    [
      'a chain',
      'const o = undefined; o?.push(1); const a = [[]].at(0)?.concat(1); yield* read(x); if (a.length === 1) yield* bug()',
    ],
    ['try and finally around steps', 'try { yield* read(x) } finally { yield* read(y) }; yield* bug()'],
    [
      'an object that was made before',
      'yield* call(function* g(o) { yield* read(x); if (o.n === 0) yield* bug() }, state)',
    ],
  ])('%s', async (_, text) => {
    const all = `const state = { n: 0 }, common = step('common', s => s.set(y, 1))\nfunction* f() {\n${text}\n}\nreturn of(f)`
    expect(await verdictOf(all).catch(e => (e as Error).message)).toEqual(
      text.includes('call(function*')
        ? 'f is not deterministic: it calls a function that it makes anew each time: define g once, outside'
        : 'violated broken',
    )
  })
})

describe('what is not the same each time', () => {
  test('an object that is an argument', async () => {
    const text = `function* g(o) { yield* read(x) }
      function* f() {\n yield* read(y)\n yield* call(g, { n: 1 })\n yield* read(x)\n}\nreturn of(f)`
    expect(await refused(text)).toBe(
      'f is not deterministic: it calls g() with another object as argument 1 when it is run again: make the object once, outside of the function @4',
    )
  })

  test('a value that a cell may have and never has', async () => {
    const text = `const few = [x, y]
      function* f() {\n yield* step("pick", s => s.set(few[s.get(x)], 0)) }\nreturn of(f)`
    expect(await refused(text)).toBe(
      'step "pick": undefined, which is no cell, is used but not among the system\'s cells where x is 2 (a body is run for every value from min to max, held or not: narrow the bounds, or let it pass) @3',
    )
    expect(await refused('function* f() {\n yield* step("pick", s => [1][s.get(x)].min)\n}\nreturn of(f)')).toMatch(
      /^step "pick" throws TypeError: Cannot read properties of undefined \(reading 'min'\) where x is 1 \(a body is run/,
    )
  })
})

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

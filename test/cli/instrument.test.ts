// SPDX-License-Identifier: GPL-2.0-or-later
// Code that is instrumented does what it did, its source map leads to the same places, and correct models are not accused.
import { readFileSync } from 'node:fs'
import module from 'node:module'
import { join } from 'node:path'
import { decode } from '@jridgewell/sourcemap-codec'
import { type Node, parse } from 'acorn'
import { build as bundle, type Plugin } from 'esbuild'
import { describe, expect, test } from 'vitest'
import * as engine from '../../src/checker/index.ts'
import { hooks } from '../../src/checker/purity.ts'
import { HOOKS, instrument } from '../../src/cli/instrument.ts'
import * as linux from '../../src/linux/index.ts'

const root = join(import.meta.dirname, '../..')

interface Compiled {
  exports: (module: { exports: unknown }, require: (name: string) => unknown, of: typeof hooks) => void
  _compile(text: string, filename: string): void
}

/** Runs a script of CommonJS as it is when instrumented. */
function run(text: string, require: (name: string) => unknown): unknown {
  const compiled = new module.Module('/instrumented.js') as unknown as Compiled
  const code = `module.exports = function (module, require, ${HOOKS}) { const exports = module.exports;${text}\n}`
  compiled._compile(instrument(code).code, '/instrumented.js')
  const made = { exports: {} }
  compiled.exports(made, require, hooks)
  return made.exports
}

test('a large program does what it did', () => {
  const text = readFileSync(join(root, 'node_modules/acorn/dist/acorn.js'), 'utf8')
  const again = run(text, () => undefined) as { parse(code: string, options: object): Node }
  const options = { ecmaVersion: 'latest' } as const
  expect(JSON.stringify(again.parse(text, options))).toBe(JSON.stringify(parse(text, options)))
})

test.each([
  [
    'return f(1, 2, 3); function* g(a, b = 2, ...c) { return [a, b, c] }; function f(...x) { return g(...x).next().value }',
    [1, 2, [3]],
  ],
  [
    'class A { #n = 1; get n() { return this.#n++ } static s = [...[1, 2]] }; const a = new A(); return [a.n, a.n, A.s, a?.m?.()]',
    [1, 2, [1, 2], undefined],
  ],
  [
    'let a, b, c = {}; [a, { b = 7, ...c.d }] = [1, { e: 5 }]; const set = () => { ({ a } = { a: 9 }); for (b of [1, 2]); c.x ??= 3; delete c.x }; set(); return [a, b, c]',
    [9, 2, { d: { e: 5 } }],
  ],
  [
    'const o = { list: [3, 1, 2], *m() { yield* super.toString() }, f() { return this.list.sort().concat([4])[0] } }; return [o.f(), o?.list.push(5), undefined?.list.push(5), [...o.m()].length]',
    [1, 4, undefined, 15],
  ],
  [
    'const tag = (s, ...v) => s.raw.join("|") + v; let n = 0; const up = x => n += x; return [tag`a$'.concat(
      '{up(2)}b`, `$',
      '{up(1)}`, n, (up(1), n), typeof up, void up(1), n]',
    ),
    ['a|b2', '3', 3, 4, 'function', undefined, 5],
  ],
  [
    'label: for (let i = 0, f = []; ; i++) { f.push(() => i); if (i > 2) break label }; switch (1) { case 1: let q = 2; var w = () => q++; w(); return q }',
    3,
  ],
  [
    'function f() { return new.target !== undefined }; const g = async () => { await 1 }; return [new f() instanceof f, f(), g() instanceof Promise, /a[)]b/.source, new (class { a = 1 })().a]',
    [true, false, true, 'a[)]b', 1],
  ],
  [
    'function* f(a, /* ) */ b) { /* { */ yield a; return b } const it = f(1, 2); return [it.next().value, it.next().value, f.length, f.name]',
    [1, 2, 2, 'f'],
  ],
  ['var x = 1; function f() { x = 2; { let x = 3; const g = () => { x = 4 }; g() } return x } return [f(), x]', [2, 2]],
  [
    'const m = new Map([[1, { n: 1 }]]); m.get(1).n += 2; Object.assign(m.get(1), { k: 1 }); const { size, ...rest } = m; return [m.get(1), size, rest]',
    [{ n: 3, k: 1 }, 1, {}],
  ],
])('%s', (text, value) => {
  expect(run(`module.exports = (() => { ${text} })()`, () => undefined)).toEqual(value)
})

test('a source map leads from each name to the line and column where it was', async () => {
  const source = join(root, 'examples/drivers/toygpu-worker.ts')
  const { outputFiles } = await bundle({
    entryPoints: [source],
    bundle: true,
    write: false,
    format: 'cjs',
    sourcemap: 'external',
    outfile: '/tmp/out.js',
    external: ['lastput/*'],
    banner: { js: 'module.exports = function () {' },
    footer: { js: '}' },
  })
  const [map, code] = [outputFiles[0]!.text, outputFiles[1]!.text]
  const { mappings } = JSON.parse(map) as { mappings: string }
  const made = instrument(code)
  expect(made.code.split('\n').length).toBe(code.split('\n').length)
  const before = decode(mappings)
  const after = decode(made.moved(mappings))
  let looked = 0
  for (const [line, segments] of before.entries()) {
    const [old, now] = [code, made.code].map(text => text.split('\n')[line]!) as [string, string]
    for (const [i, [column]] of segments.entries()) {
      const word = /^\w+/.exec(old.slice(column))?.[0]
      const moved = after[line]![i]!
      expect(moved.slice(1)).toEqual(segments[i]!.slice(1))
      // What was put in front of a name belongs to the name.
      if (word) expect(now.slice(moved[0])).toContain(word)
      if (word && now.slice(moved[0]).startsWith(word)) looked++
    }
  }
  expect(looked).toBeGreaterThan(100)
})

describe("the kernel's own model, instrumented as a file of the user's is", async () => {
  const ours: Plugin = {
    name: 'ours',
    setup(builder) {
      builder.onResolve({ filter: /checker\/index\.ts$/ }, () => ({ path: 'engine', external: true }))
    },
  }
  const { outputFiles } = await bundle({
    entryPoints: [join(root, 'src/linux/index.ts')],
    bundle: true,
    write: false,
    format: 'cjs',
    keepNames: true,
    plugins: [ours],
  })
  const instrumented = run(outputFiles[0]!.text, () => engine) as typeof linux
  const systems = linux.drivers.flatMap(d => d.protocols.map(p => [d.name, p] as const))
  const learned = ({ build, drivers, protocols }: typeof linux, name: string, id: string) => {
    const driver = drivers.find(d => d.name === name)!
    const protocol = protocols.find(p => p.id === id)!
    const { system } = build({ driver, protocol, pages: 1, vas: 1 })
    const { bits, local, properties, most } = engine.prepare(system)
    return { bits, local, properties, most }
  }
  test.each(systems)('%s under %s is learned to the same automata', (name, id) => {
    expect(learned(instrumented, name, id)).toEqual(learned(linux, name, id))
  })
})

describe("every yield* of the tutorial's drivers", async () => {
  const kernel = { 'lastput/linux': linux } as Readonly<Record<string, unknown>>
  const scripts = await Promise.all(
    ['toygpu', 'toygpu-racy', 'toygpu-worker'].map(async name => {
      const { outputFiles } = await bundle({
        entryPoints: [join(root, `examples/drivers/${name}.ts`)],
        bundle: true,
        write: false,
        format: 'cjs',
        external: ['lastput/*'],
      })
      return { name, text: outputFiles[0]!.text }
    }),
  )
  const places = scripts.flatMap(({ name, text }) =>
    [...text.matchAll(/yield\* /g)].map(({ index }) => [`${name}: ${lineAt(text, index)}`, text, index] as const),
  )
  test.each(places)('%s is refused where it is forgotten, loses its star, or is a spread', async (_, text, at) => {
    const [before, after] = [text.slice(0, at), text.slice(at + 'yield* '.length)]
    const end = after.search(/;?\n/)
    const isWhole = after.slice(0, end).endsWith(')')
    const spread = `${before}[...${after.slice(0, end)}]${after.slice(end)}`
    for (const mutant of [before + after, `${before}yield ${after}`, ...(isWhole ? [spread] : [])]) {
      const { default: driver } = run(mutant, name => kernel[name]) as { default: linux.Driver }
      const checked = linux.verify({ driver, protocol: linux.G, pages: 1, vas: 1 })
      await expect(checked).rejects.toThrow(/nothing runs it|missing its \*|is run by yield\* alone/)
    }
  })
})

function lineAt(text: string, at: number): string {
  return text
    .slice(text.lastIndexOf('\n', at) + 1)
    .split('\n')[0]!
    .trim()
}

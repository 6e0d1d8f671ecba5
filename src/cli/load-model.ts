// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Runs a file of the user's in a thread that was started for it, and returns its default export. Node's own type stripping
 * runs it where Node has it; esbuild does elsewhere, and where a file needs more than that. Stacks name the file and its lines
 * in either case: types are replaced by blanks, and a bundle has a source map (--enable-source-maps is the thread's option).
 */
import { statSync } from 'node:fs'
import module, { createRequire } from 'node:module'
import { dirname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { BuildFailure, BuildOptions, Plugin } from 'esbuild'
import * as checker from '../checker/index.ts'
import * as linux from '../linux/index.ts'
import { keepFromExit, narrowRealm } from '../node/model-realm.ts'
import { UsageError } from './errors.ts'
import { placeOf } from './model-place.ts'

/** What a file may import of ours: these very modules, wherever the file lies, since its steps must be this checker's steps. */
const OURS: ReadonlyMap<string, { readonly exports: object; readonly url: string }> = new Map([
  ['lastput/linux', { exports: linux, url: new URL('../linux/index.js', import.meta.url).href }],
  ['lastput/engine', { exports: checker, url: new URL('../checker/index.js', import.meta.url).href }],
])

/** Names of files with code. */
const SOURCE = /\.[cm]?[jt]s$/

/** @throws UsageError when the file cannot be read, compiled or run. */
export async function loadModel(path: string): Promise<unknown> {
  // Of a pipe or a device, esbuild would read for ever.
  const found = statSync(path, { throwIfNoEntry: false })
  if (found && !found.isFile()) throw new UsageError(`${path} is no file`)
  if (found && !SOURCE.test(path))
    throw new UsageError(
      `${path}: expected a TypeScript or JavaScript file (.ts, .mts, .js, .mjs) that exports a model`,
    )
  if (!found) throw new UsageError(`${path}: no such file`)
  keepFromExit()
  const loaded = (await stripped(path)) ?? run(path, await bundled(path))
  narrowRealm()
  return loaded.default
}

interface Loaded {
  readonly default?: unknown
}

/** What Node 22.15 and 23.5 brought, and types of Node 20 do not have. */
interface Hooks {
  registerHooks?(hooks: {
    resolve(name: string, context: object, next: (name: string, context: object) => object): object
  }): { deregister(): void }
}

/** Of a file that Node cannot take as it is: it needs esbuild, or esbuild says better what is wrong with it. */
const NEEDS_ESBUILD: ReadonlySet<string> = new Set([
  'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX',
  'ERR_INVALID_TYPESCRIPT_SYNTAX',
  'ERR_MODULE_NOT_FOUND',
  'ERR_UNSUPPORTED_DIR_IMPORT',
  'ERR_UNKNOWN_FILE_EXTENSION',
  'ERR_IMPORT_ATTRIBUTE_MISSING',
])

/** Runs the file by Node's own type stripping; undefined where it cannot. @throws UsageError with what the file throws */
async function stripped(path: string): Promise<Loaded | undefined> {
  const { registerHooks } = module as Hooks
  if ((process.features as { typescript?: unknown }).typescript !== 'strip' || !registerHooks) return undefined
  const hooks = registerHooks({
    resolve: (name, context, next) => {
      const url = OURS.get(name)?.url
      return url === undefined ? next(name, context) : { url, shortCircuit: true }
    },
  })
  try {
    return (await import(pathToFileURL(resolve(path)).href)) as Loaded
  } catch (e) {
    // A file may throw anything, null too.
    const { code, name } = (e ?? {}) as Partial<NodeJS.ErrnoException>
    if (name === 'SyntaxError' || NEEDS_ESBUILD.has(code ?? '')) return undefined
    throw thrownBy(path, e)
  } finally {
    hooks.deregister()
  }
}

/** What Node has of CommonJS modules beside its types; it is what compilers on the fly use, and reads source maps. */
interface Compiled {
  exports: (require: (name: string) => unknown, module: { exports: Loaded }, exports: Loaded) => void
  _compile(text: string, filename: string): void
}

/** Runs a bundle. @throws UsageError with what it throws */
function run(path: string, text: string): Loaded {
  const file = resolve(path)
  const theirs = createRequire(file)
  const loaded = { exports: {} as Loaded }
  try {
    const compiled = new module.Module(file) as unknown as Compiled
    compiled._compile(text, file)
    compiled.exports((name: string) => OURS.get(name)?.exports ?? theirs(name), loaded, loaded.exports)
  } catch (e) {
    throw thrownBy(path, e)
  }
  return loaded.exports
}

function thrownBy(path: string, e: unknown): UsageError {
  return new UsageError(`${path} throws ${e instanceof Error ? `${e.name}: ${e.message}` : String(e)}${placeOf(e)}`)
}

const ours: Plugin = {
  name: 'lastput',
  setup(builder) {
    builder.onResolve({ filter: /^lastput\/(linux|engine)$/ }, ({ path }) => ({ path, external: true }))
  },
}

function options(path: string): BuildOptions {
  const file = resolve(path)
  return {
    entryPoints: [file],
    bundle: true,
    write: false,
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    logLevel: 'silent',
    keepNames: true,
    sourcemap: 'external',
    sourcesContent: false,
    // Names in the map are relative to where this would be written.
    outfile: `${file}.bundle.cjs`,
    banner: { js: 'module.exports = function (require, module, exports) {' },
    footer: { js: '}' },
    plugins: [ours],
  }
}

/** The file with all that it imports as one module, with its source map. @throws UsageError with what esbuild says */
async function bundled(path: string): Promise<string> {
  const { build } = await import('esbuild')
  const { outputFiles = [] } = await build(options(path)).catch((e: Error & Partial<BuildFailure>) => {
    throw new UsageError(`${path}: ${(e.errors?.map(placed) ?? [e.message]).join('\n')}`)
  })
  const [map, code] = [/\.map$/, /\.cjs$/].map(name => outputFiles.find(file => name.test(file.path))!.text)
  return `${code}\n//# sourceMappingURL=data:application/json;base64,${Buffer.from(absolute(map!, path)).toString('base64')}\n`
}

/** A source map whose sources are URLs: the bundle has no place of its own. */
function absolute(map: string, path: string): string {
  const parsed = JSON.parse(map) as { sources: string[] }
  const base = dirname(resolve(path))
  return JSON.stringify({ ...parsed, sources: parsed.sources.map(each => pathToFileURL(resolve(base, each)).href) })
}

function placed({ text, location }: BuildFailure['errors'][number]): string {
  return location ? `${location.file}:${location.line}:${location.column + 1}: ${text}` : text
}

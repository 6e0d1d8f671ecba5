// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Runs a user's model file in the thread that was started for it, and returns the default export. esbuild bundles the file with
 * its imports, and the bundle is instrumented (instrument.ts) to detect mistakes that JavaScript permits silently. Stacks still
 * name the user's file and lines, because the bundle has a source map and the thread runs with --enable-source-maps.
 */
import { statSync } from 'node:fs'
import module, { createRequire } from 'node:module'
import { dirname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { BuildFailure, BuildOptions, Plugin } from 'esbuild'
import * as checker from '../checker/index.ts'
import { type Hooks, hooks } from '../checker/purity.ts'
import * as linux from '../linux/index.ts'
import { keepFromExit, keepFromOutput, narrowRealm } from '../node/model-realm.ts'
import { UsageError } from './errors.ts'
import { HOOKS, type Instrumented, instrument } from './instrument.ts'
import { placeOf } from './model-place.ts'

/**
 * Modules of lastput that a model may import. They resolve to this process's own instances wherever the file lies, because the
 * checker accepts only steps that were made by its own modules.
 */
const OURS: ReadonlyMap<string, object> = new Map<string, object>([
  ['lastput/linux', linux],
  ['lastput/engine', checker],
])

/** File names of JavaScript and TypeScript. */
const SOURCE = /\.[cm]?[jt]s$/

/**
 * Loads a model file and returns its default export.
 *
 * @param runsModel returns true while the model's code runs: the model and the command write to the same streams
 * @throws UsageError if the file cannot be read, compiled or run
 */
export async function loadModel(path: string, runsModel: () => boolean): Promise<unknown> {
  // From a pipe or a device, esbuild would read for ever.
  const found = statSync(path, { throwIfNoEntry: false })
  if (found && !found.isFile()) throw new UsageError(`${path} is no file`)
  if (found && !SOURCE.test(path))
    throw new UsageError(
      `${path}: expected a TypeScript or JavaScript file (.ts, .mts, .js, .mjs) that exports a model`,
    )
  if (!found) throw new UsageError(`${path}: no such file`)
  keepFromExit()
  keepFromOutput(runsModel)
  const loaded = run(path, await bundled(path))
  narrowRealm()
  return loaded.default
}

interface Loaded {
  readonly default?: unknown
}

/** Members of Node's `Module` that its types omit. `_compile` is what on-the-fly compilers use, and it registers source maps. */
interface Compiled {
  exports: (require: (name: string) => unknown, module: { exports: Loaded }, exports: Loaded, hooks: Hooks) => void
  _compile(text: string, filename: string): void
}

/** Runs a bundle and returns its exports. @throws UsageError with the message of whatever the bundle throws */
function run(path: string, text: string): Loaded {
  const file = resolve(path)
  const theirs = createRequire(file)
  const loaded = { exports: {} as Loaded }
  try {
    const compiled = new module.Module(file) as unknown as Compiled
    compiled._compile(text, file)
    compiled.exports((name: string) => OURS.get(name) ?? theirs(name), loaded, loaded.exports, hooks)
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
    // Nothing is written, but esbuild makes the paths in the source map relative to this file.
    outfile: `${file}.bundle.cjs`,
    banner: { js: `module.exports = function (require, module, exports, ${HOOKS}) { "use strict";` },
    footer: { js: '}' },
    plugins: [ours],
  }
}

/** Bundles and instruments the file; the result ends with its source map. @throws UsageError with esbuild's messages */
async function bundled(path: string): Promise<string> {
  const { build } = await import('esbuild')
  const { outputFiles = [] } = await build(options(path)).catch((e: Error & Partial<BuildFailure>) => {
    throw new UsageError(`${path}: ${(e.errors?.map(placed) ?? [e.message]).join('\n')}`)
  })
  const [map, code] = [/\.map$/, /\.cjs$/].map(name => outputFiles.find(file => name.test(file.path))!.text)
  const made = instrument(code!)
  const moved = Buffer.from(absolute(map!, path, made)).toString('base64')
  return `${made.code}\n//# sourceMappingURL=data:application/json;base64,${moved}\n`
}

/** Adapts the source map to the instrumented code. Sources become URLs, since the bundle is no file to be relative to. */
function absolute(map: string, path: string, { moved }: Instrumented): string {
  const parsed = JSON.parse(map) as { sources: string[]; mappings: string }
  const base = dirname(resolve(path))
  const sources = parsed.sources.map(each => pathToFileURL(resolve(base, each)).href)
  return JSON.stringify({ ...parsed, sources, mappings: moved(parsed.mappings) })
}

function placed({ text, location }: BuildFailure['errors'][number]): string {
  return location ? `${location.file}:${location.line}:${location.column + 1}: ${text}` : text
}

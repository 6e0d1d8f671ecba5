// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Runs a file of the user's in a thread that was started for it, and returns its default export. esbuild makes one script of it and
 * of what it imports, which is instrumented (instrument.ts), so that the checker learns of what JavaScript drops without a word.
 * Stacks name the file and its lines all the same: the script has a source map (--enable-source-maps is the thread's option).
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

/** What a file may import of ours: these very modules, wherever the file lies, since its steps must be this checker's steps. */
const OURS: ReadonlyMap<string, object> = new Map<string, object>([
  ['lastput/linux', linux],
  ['lastput/engine', checker],
])

/** Names of files with code. */
const SOURCE = /\.[cm]?[jt]s$/

/**
 * @param runsModel tells whose output is whose: the model's and the command's come by one stream
 * @throws UsageError when the file cannot be read, compiled or run
 */
export async function loadModel(path: string, runsModel: () => boolean): Promise<unknown> {
  // Of a pipe or a device, esbuild would read for ever.
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

/** What Node has of CommonJS modules beside its types; it is what compilers on the fly use, and reads source maps. */
interface Compiled {
  exports: (require: (name: string) => unknown, module: { exports: Loaded }, exports: Loaded, hooks: Hooks) => void
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
    // Names in the map are relative to where this would be written.
    outfile: `${file}.bundle.cjs`,
    banner: { js: `module.exports = function (require, module, exports, ${HOOKS}) { "use strict";` },
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
  const made = instrument(code!)
  const moved = Buffer.from(absolute(map!, path, made)).toString('base64')
  return `${made.code}\n//# sourceMappingURL=data:application/json;base64,${moved}\n`
}

/** The source map of what was instrumented, with sources that are URLs: the script has no place of its own. */
function absolute(map: string, path: string, { moved }: Instrumented): string {
  const parsed = JSON.parse(map) as { sources: string[]; mappings: string }
  const base = dirname(resolve(path))
  const sources = parsed.sources.map(each => pathToFileURL(resolve(base, each)).href)
  return JSON.stringify({ ...parsed, sources, mappings: moved(parsed.mappings) })
}

function placed({ text, location }: BuildFailure['errors'][number]): string {
  return location ? `${location.file}:${location.line}:${location.column + 1}: ${text}` : text
}

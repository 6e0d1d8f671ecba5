// SPDX-License-Identifier: GPL-2.0-or-later
/** Drivers and protocols by name, or by the path of a file whose default export is one. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build, type Plugin } from 'esbuild'
import { ModelError } from '../engine/index.ts'
import { type Driver, drivers, type Protocol, protocols } from '../linux/index.ts'
import { wrap } from '../report/words.ts'

/** What the user asked for does not exist or cannot be loaded: exit code 2. */
export class UsageError extends Error {
  override name = 'UsageError'
}

/**
 * Runs a command about the model: what the user asked for amiss, a malformed model, or a file that cannot be written is a line
 * on stderr and exit code 2.
 */
export async function guardedModel(command: string, action: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await action()
  } catch (e) {
    const expected = e instanceof UsageError || e instanceof ModelError || (e instanceof Error && 'syscall' in e)
    if (!expected) throw e
    process.stderr.write(`${wrap(`lastput ${command}: ${(e as Error).message}`, '', '  ').join('\n')}\n`)
    process.exitCode = 2
  }
}

export async function driverOf(name: string): Promise<Driver> {
  const known = drivers.find(d => d.name === name)
  if (known) return known
  if (!is_path(name))
    throw new UsageError(`no driver "${name}": ${drivers.map(d => d.name).join(', ')}, or a path to a file`)
  const found = await load(name)
  if (!is_driver(found))
    throw new UsageError(`${name}: the default export is not a driver({ name, type, protocols, setup })`)
  return found
}

export async function protocolOf(name: string): Promise<Protocol> {
  const known = protocols.find(p => p.id === name || p.name === name)
  if (known) return known
  if (!is_path(name))
    throw new UsageError(
      `no protocol "${name}": ${protocols.map(p => `${p.id} (${p.name})`).join(', ')}, or a path to a file`,
    )
  const found = await load(name)
  if (!is_protocol(found)) throw new UsageError(`${name}: the default export is not a protocol`)
  return found
}

function is_path(name: string): boolean {
  return /[./\\]/.test(name)
}

function is_driver(x: unknown): x is Driver {
  const d = x as Partial<Driver> | null
  return (
    typeof d === 'object' &&
    d !== null &&
    typeof d.name === 'string' &&
    typeof d.setup === 'function' &&
    Array.isArray(d.protocols)
  )
}

function is_protocol(x: unknown): x is Protocol {
  const p = x as Partial<Protocol> | null
  return typeof p === 'object' && p !== null && typeof p.put_page === 'function' && typeof p.init_page === 'function'
}

/** `lastput/linux` in the file is this very module, wherever the file lies: its steps must be this engine's steps. */
const self: Plugin = {
  name: 'lastput',
  setup(builder) {
    builder.onResolve({ filter: /^lastput\/(linux|engine)$/ }, args => ({
      path: new URL(`../${args.path.slice('lastput/'.length)}/index.js`, import.meta.url).href,
      external: true,
    }))
  },
}

/** Bundles a TypeScript or JavaScript file and imports the result. @throws UsageError when it cannot be read or compiled. */
async function load(path: string): Promise<unknown> {
  const bundle = await build({
    entryPoints: [resolve(path)],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: 'inline',
    logLevel: 'silent',
    keepNames: true,
    plugins: [self],
  }).catch((e: Error) => {
    throw new UsageError(`${path}: ${e.message}`)
  })
  const folder = await mkdtemp(join(tmpdir(), 'lastput-'))
  try {
    const file = join(folder, 'model.mjs')
    await writeFile(file, bundle.outputFiles[0]!.contents)
    const module = (await import(pathToFileURL(file).href)) as { default?: unknown }
    return module.default
  } catch (e) {
    throw new UsageError(`${path}: ${(e as Error).message}`)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

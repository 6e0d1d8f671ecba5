// SPDX-License-Identifier: GPL-2.0-or-later
/** Drivers and protocols by name, or by the path of a file whose default export is one. */
import { statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { compileFunction } from 'node:vm'
import { type BuildFailure, build, type Plugin } from 'esbuild'
import * as engine from '../checker/index.ts'
import * as linux from '../linux/index.ts'
import { type Driver, type DriverParts, drivers, type Protocol, protocols } from '../linux/index.ts'
import { guard } from '../node/guard.ts'
import { guarded, UsageError } from './errors.ts'
import type { Exit } from './exit-codes.ts'

/** Runs a command about the model: as `guarded`, and a malformed model too is a line on stderr and exit code 2. */
export function guardedModel(command: string, action: () => Promise<Exit>): Promise<void> {
  return guarded(command, () =>
    action().catch((e: unknown) => {
      throw modelError(e) ?? e
    }),
  )
}

/** What to say of an error that a model causes; undefined for any other. */
function modelError(e: unknown): UsageError | undefined {
  // The code written for a search may be nested deeper, or be longer, than JavaScript takes it.
  const beyond = e instanceof RangeError && /call stack|string length/.test(e.message)
  const isModelError = e instanceof engine.ModelError
  if (!beyond && !isModelError && !(e instanceof UsageError)) return undefined
  const message = beyond ? `the system is too large: ${e.message}` : e.message
  const large = beyond || (isModelError && message.includes('more than'))
  return new UsageError(`${message}${large ? ' (fewer --pages, --vas or --threads make less of it)' : ''}`)
}

/**
 * The protocol of this name or path, or all that the driver was written for.
 * @throws UsageError when it has no code for it: a verdict would be about nothing.
 */
export async function protocolsOf(driver: Driver, name: string | undefined): Promise<readonly Protocol[]> {
  if (name === undefined) return protocols.filter(p => driver.protocols.includes(p.id))
  const protocol = await protocolOf(name)
  if (!driver.protocols.includes(protocol.id))
    throw new UsageError(`${driver.name} has no code for ${protocol.id}, only for ${driver.protocols.join(', ')}`)
  return [protocol]
}

export async function driverOf(name: string): Promise<Driver> {
  const known = drivers.find(d => d.name === name)
  if (known) return known
  if (!is_path(name))
    throw new UsageError(`no driver "${name}": ${drivers.map(d => d.name).join(', ')}, or a path to a file`)
  const found = await load(name)
  if (!is_driver(found))
    throw new UsageError(`${name}: the default export is not a driver({ name, type, protocols, setup })`)
  return checkedDriver(name, found)
}

const TYPES = ['PRIVATE', 'COHERENT', 'FS_DAX', 'GENERIC', 'PCI_P2PDMA']

/** A driver that says what is wrong with it. */
function checkedDriver(path: string, driver: Driver): Driver {
  const wrong = (what: string) => new UsageError(`${path}: ${what}`)
  if (!TYPES.includes(driver.type)) throw wrong(`type is ${driver.type}, not one of ${TYPES.join(', ')}`)
  const ids = protocols.map(p => p.id)
  const stray = driver.protocols.filter(p => !ids.includes(p))
  if (stray.length > 0 || driver.protocols.length === 0)
    throw wrong(`protocols are [${driver.protocols.join(', ')}]; there are ${ids.join(', ')}`)
  return {
    ...driver,
    setup(kernel) {
      const parts: Partial<DriverParts> | undefined = bounded(`${path}: setup()`, () => driver.setup(kernel))
      if (!is_object(parts?.ops) || !is_object(parts.roles) || !is_object(parts.threads))
        throw wrong('setup() does not return { ops, roles, threads }')
      for (const [role, of] of Object.entries(parts.roles))
        if (typeof of?.body !== 'function') throw wrong(`role ${role}: its body is no function`)
      return parts as DriverParts
    },
  }
}

/** Milliseconds that a file's code may take, before the search. */
const PATIENCE = 10_000

/** Runs code of a file. @throws UsageError that tells what it throws, or that it does not end */
export function bounded<T>(whose: string, code: () => T, milliseconds = PATIENCE): T {
  let done: { result: T } | undefined
  try {
    done = guard(() => ({ result: code() }), milliseconds)
  } catch (e) {
    if (e instanceof engine.ModelError) throw new UsageError(`${whose}: ${e.message}`)
    throw new UsageError(`${whose} throws ${e instanceof Error ? `${e.name}: ${e.message}` : String(e)}`)
  }
  if (!done) throw new UsageError(`${whose} does not come to its end`)
  return done.result
}

function is_object(x: unknown): x is object {
  return typeof x === 'object' && x !== null
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
  return checkedProtocol(name, found)
}

/** A protocol that has all that is asked of it; what it says may be left out. */
function checkedProtocol(path: string, protocol: Protocol): Protocol {
  const ids = protocols.map(p => p.id)
  const wrong = (what: string) => new UsageError(`${path}: ${what}; a file begins best with { ...G, name: 'mine' }`)
  if (!ids.includes(protocol.id)) throw wrong(`id is ${String(protocol.id)}, not one of ${ids.join(', ')}`)
  for (const [key, of] of Object.entries(protocols.at(-1)!)) {
    const mine: unknown = protocol[key as keyof Protocol]
    if (typeof of === 'function' && typeof mine !== 'function') throw wrong(`${key} is no function`)
  }
  const { name, where, words } = protocol
  return { ...protocol, name: String(name ?? path), where: String(where ?? path), words: String(words ?? '') }
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

/** What a file may import of ours: this very module, wherever the file lies, since its steps must be this engine's steps. */
const OURS: Readonly<Record<string, unknown>> = { 'lastput/linux': linux, 'lastput/engine': engine }

const ours: Plugin = {
  name: 'lastput',
  setup(builder) {
    builder.onResolve({ filter: /^lastput\/(linux|engine)$/ }, ({ path }) => ({ path, external: true }))
  },
}

/** Names of files with code. */
const SOURCE = /\.[cm]?[jt]s$/

/** Bundles a TypeScript or JavaScript file and runs the result. @throws UsageError when it cannot be read, compiled or run. */
async function load(path: string): Promise<unknown> {
  const bundle = await bundled(path)
  const module = { exports: {} as { default?: unknown } }
  const theirs = createRequire(resolve(path))
  const require = (name: string) => OURS[name] ?? theirs(name)
  const compiled = compileFunction(bundle, ['require', 'module', 'exports'], { filename: 'model.js' })
  keepFromExit()
  bounded(path, () => compiled(require, module, module.exports))
  return module.exports.default
}

async function bundled(path: string): Promise<string> {
  // Of a pipe or a device, esbuild would read for ever.
  const found = statSync(path, { throwIfNoEntry: false })
  if (found && !found.isFile()) throw new UsageError(`${path} is no file`)
  if (found && !SOURCE.test(path))
    throw new UsageError(
      `${path}: expected a TypeScript or JavaScript file (.ts, .mts, .js, .mjs) that exports a model`,
    )
  const bundle = await build({
    entryPoints: [resolve(path)],
    bundle: true,
    write: false,
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    logLevel: 'silent',
    keepNames: true,
    plugins: [ours],
  }).catch((e: Error & Partial<BuildFailure>) => {
    if (!found && e.errors?.every(error => !error.location)) throw new UsageError(`${path}: no such file`)
    throw new UsageError(`${path}: ${(e.errors?.map(placed) ?? [e.message]).join('\n')}`)
  })
  return bundle.outputFiles[0]!.text
}

function placed({ text, location }: BuildFailure['errors'][number]): string {
  return location ? `${location.file}:${location.line}:${location.column + 1}: ${text}` : text
}

/** A model that ended the process would end it without a verdict, and with an exit code that looks like one. */
function keepFromExit(): void {
  process.exit = process.abort = () => {
    throw new Error('process.exit() would end the command without a verdict: leave it out')
  }
}

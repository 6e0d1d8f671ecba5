// SPDX-License-Identifier: GPL-2.0-or-later
/** Drivers and protocols by name, or by the path of a file whose default export is one. */
import { Indeterminate, ModelError } from '../checker/index.ts'
import { type Driver, type DriverParts, drivers, type Protocol, protocols } from '../linux/index.ts'
import { guarded, UsageError } from './errors.ts'
import type { Exit } from './exit-codes.ts'
import { isPath, type ModelHost } from './model-host.ts'
import { placeOf } from './model-place.ts'

/** Runs a command about a model like `guarded`; a malformed model, too, becomes a line on stderr and exit code 2. */
export function guardedModel(command: string, action: () => Promise<Exit>): Promise<void> {
  return guarded(command, () =>
    action().catch((e: unknown) => {
      throw modelError(e) ?? e
    }),
  )
}

/** Converts an error that a model causes to one with a message and the place in the user's file; undefined for any other. */
export function modelError(e: unknown): UsageError | undefined {
  // The code generated for a search can exceed V8's limits for nesting and for the length of strings.
  const beyond = e instanceof RangeError && /call stack|string length/.test(e.message)
  const isModelError = e instanceof ModelError
  if (!beyond && !isModelError && !(e instanceof UsageError)) return undefined
  const message = beyond ? `the system is too large: ${e.message}` : e.message
  const large = beyond || (isModelError && message.includes('more than'))
  const place = isModelError ? placeOf(e.cause) || placeOf(e) : ''
  return new UsageError(`${message}${place}${large ? ' (fewer --pages, --vas or --threads make less of it)' : ''}`)
}

/**
 * Returns the protocol of this name or path, or without one all protocols that the driver has code for.
 * @throws UsageError if the driver has no code for the protocol, since a verdict would then mean nothing.
 */
export async function protocolsOf(
  driver: Driver,
  name: string | undefined,
  host: ModelHost,
): Promise<readonly Protocol[]> {
  if (name === undefined) return protocols.filter(p => driver.protocols.includes(p.id))
  const protocol = await protocolOf(name, host)
  if (!driver.protocols.includes(protocol.id))
    throw new UsageError(`${driver.name} has no code for ${protocol.id}, only for ${driver.protocols.join(', ')}`)
  return [protocol]
}

export async function driverOf(name: string, host: ModelHost): Promise<Driver> {
  const known = drivers.find(d => d.name === name)
  if (known) return known
  if (!isPath(name))
    throw new UsageError(`no driver "${name}": ${drivers.map(d => d.name).join(', ')}, or a path to a file`)
  const found = await load(name, host)
  if (!is_driver(found))
    throw new UsageError(`${name}: the default export is not a driver({ name, type, protocols, setup })`)
  return checkedDriver(name, found, host)
}

const TYPES = ['PRIVATE', 'COHERENT', 'FS_DAX', 'GENERIC', 'PCI_P2PDMA']

/** Checks the shape of a driver that a file exports. */
function checkedDriver(path: string, driver: Driver, host: ModelHost): Driver {
  const wrong = (what: string) => new UsageError(`${path}: ${what}`)
  if (!TYPES.includes(driver.type)) throw wrong(`type is ${driver.type}, not one of ${TYPES.join(', ')}`)
  const ids = protocols.map(p => p.id)
  const stray = driver.protocols.filter(p => !ids.includes(p))
  if (stray.length > 0 || driver.protocols.length === 0)
    throw wrong(`protocols are [${driver.protocols.join(', ')}]; there are ${ids.join(', ')}`)
  return {
    ...driver,
    setup(kernel) {
      const parts: Partial<DriverParts> | undefined = bounded(`${path}: setup()`, host, () => driver.setup(kernel))
      if (!is_object(parts?.ops) || !is_object(parts.roles) || !is_object(parts.threads))
        throw wrong('setup() does not return { ops, roles, threads }')
      for (const [role, of] of Object.entries(parts.roles))
        if (typeof of?.body !== 'function') throw wrong(`role ${role}: its body is no function`)
      return parts as DriverParts
    },
  }
}

/** Runs code of a user's file while the host watches for endless loops. @throws UsageError with the message of what it throws */
export function bounded<T>(whose: string, { watch }: ModelHost, code: () => T): T {
  watch(whose)
  try {
    return code()
  } catch (e) {
    if (e instanceof Indeterminate) throw new UsageError(`${whose} is not deterministic: it ${e.message}${placeOf(e)}`)
    if (e instanceof ModelError) throw new UsageError(`${whose}: ${e.message}${placeOf(e.cause ?? e)}`)
    throw new UsageError(`${whose} throws ${e instanceof Error ? `${e.name}: ${e.message}` : String(e)}${placeOf(e)}`)
  } finally {
    watch('')
  }
}

/** The default export of a file. */
async function load(path: string, { watch, runsModel }: ModelHost): Promise<unknown> {
  // Loaded only for files: loading esbuild takes longer than checking a small system.
  const { loadModel } = await import('./load-model.ts')
  watch(path)
  try {
    return await loadModel(path, runsModel)
  } finally {
    watch('')
  }
}

function is_object(x: unknown): x is object {
  return typeof x === 'object' && x !== null
}

export async function protocolOf(name: string, host: ModelHost): Promise<Protocol> {
  const known = protocols.find(p => p.id === name || p.name === name)
  if (known) return known
  if (!isPath(name))
    throw new UsageError(
      `no protocol "${name}": ${protocols.map(p => `${p.id} (${p.name})`).join(', ')}, or a path to a file`,
    )
  const found = await load(name, host)
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

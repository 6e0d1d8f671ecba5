// SPDX-License-Identifier: GPL-2.0-or-later
// Threads that a driver of device-private memory has beside those of all such drivers.
import { describe, expect, test } from 'vitest'
import {
  build,
  type DevicePrivate,
  type Driver,
  type DriverParts,
  G,
  type Steps,
  step,
  verify,
} from '../../src/linux/index.ts'
import { matrix } from '../../src/linux/scenario/matrix.ts'
import { device_memory } from './device-memory.ts'

describe("a driver's own threads", () => {
  const with_threads = (
    threads: DevicePrivate['threads'],
    more: (parts: DriverParts) => DriverParts = p => p,
  ): Driver => ({
    name: 'own-threads',
    type: 'PRIVATE',
    protocols: ['G'],
    setup: kernel => more(device_memory(kernel, () => (threads ? { threads } : {}))),
  })
  function* look(): Steps<void> {
    yield* step('look', s => s.warn(true, 'seen'))
  }
  test('take part in every scenario, as many as they say', () => {
    const driver = with_threads({
      look: { body: look, times: 1 },
      more: { body: look, count: 3 },
      asked: { body: look, count: 0 },
    })
    const { parts, system } = build({ driver, protocol: G })
    for (const threads of [parts.threads, ...Object.values(parts.scenarios!)])
      expect(threads).toMatchObject({ look: 1, more: 3 })
    expect(system.threads.map(t => t.name)).toEqual([
      'fault',
      'migrate',
      'exit',
      'unbind',
      'look',
      'more[0]',
      'more[1]',
      'more[2]',
    ])
    expect(matrix([driver], {}).every(m => m.system.threads!.more === 3)).toBe(true)
    expect(build({ driver, protocol: G, threads: { asked: 1 } }).system.threads.map(t => t.name)).toEqual(['asked'])
  })

  test('find what they look for', async () => {
    const driver = with_threads({ look: { body: look, times: 1 } })
    const { verdict } = await verify({ driver, protocol: G, pages: 1, vas: 1 }, { properties: ['seen'] })
    expect(verdict).toMatchObject({ verdict: 'violated', property: 'seen' })
  })

  test('have room in the counts, however many there are', () => {
    const driver = with_threads({ many: { body: look, count: 20 } })
    expect(build({ driver, protocol: G }).kernel.threads).toBe(24)
    const of = (d: Driver) => build({ driver: d, protocol: G, pages: 1, vas: 1 }).kernel.pgmap.pages[0]!._refcount.max
    expect(of(driver)).toBeGreaterThanOrEqual(of(with_threads(undefined)) + 2 * 19)
  })

  test('cannot have the name of one that there is', () => {
    expect(() => build({ driver: with_threads({ exit: { body: look } }), protocol: G })).toThrow(
      'role exit is there already',
    )
  })

  test('may run what those of all drivers run, and not forget to', async () => {
    const again = (forget: boolean) =>
      with_threads(undefined, parts => ({
        ...parts,
        roles: {
          twice: {
            *body() {
              yield* parts.roles.migrate!.body(0)
              if (forget) parts.roles.exit!.body(0)
              else yield* parts.roles.exit!.body(0)
            },
            times: 1,
          },
        },
        threads: { twice: 1 },
      }))
    const run = (forget: boolean) => verify({ driver: again(forget), protocol: G, pages: 1, vas: 1 })
    expect((await run(false)).verdict.verdict).toBe('holds')
    await expect(run(true)).rejects.toThrow(/drops exit_mmap\(\): nothing runs it without a yield\* in front/)
  })
})

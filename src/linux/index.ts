// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * `lastput/linux`: ZONE_DEVICE page reference counting as an executable model. {@link build} puts a driver, a protocol and
 * threads together; {@link Simulator} runs the result step by step, and the engine's `check` tries every interleaving.
 */
export { AGAIN, call, cell, cells, check, repeat, type Shared, type Steps, step } from '../checker/index.ts'
export { type DevicePrivate, device_private } from './device_private.ts'
export { type Driver, type DriverParts, driver } from './driver.ts'
export { drivers } from './drivers/index.ts'
export * from './mm/gup.ts'
export * from './mm/memory.ts'
export * from './mm/memremap.ts'
export * from './mm/migrate_device.ts'
export * from './mm/page_count.ts'
export * from './mm/page_ref.ts'
export * from './mm/pgtable.ts'
export { is_page_ref, type PagemapProbe, type PageProbe, type Report, type TraceEvent } from './mm/trace_events.ts'
export { file_free, hand_out, type PageList, page_bitmap, page_list } from './page_list.ts'
export { type PropertyId, properties, searches } from './properties.ts'
export * from './protocols/index.ts'
export type { ProtocolId } from './protocols/rules.ts'
export { type Built, build, type Scenario } from './scenario/build.ts'
export { all_fixes, type Fix, type FixInfo, fixes } from './scenario/fixes.ts'
export { type SimulatedStep, Simulator } from './scenario/simulator.ts'
export { type Verified, verify } from './scenario/verify.ts'
export * from './types.ts'

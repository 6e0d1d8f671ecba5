// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * `lastput/linux`: ZONE_DEVICE page reference counting as an executable model. {@link build} puts a driver, a protocol and
 * threads together; {@link Simulator} runs the result step by step, and the checker's `check` explores every interleaving.
 */
import { allTracked } from '../checker/index.ts'
import * as gup from './mm/gup.ts'
import * as memory from './mm/memory.ts'
import * as memremap from './mm/memremap.ts'
import * as migrate_device from './mm/migrate_device.ts'
import * as page_ref from './mm/page_ref.ts'

export { AGAIN, call, cell, cells, check, repeat, type Shared, type Steps, step, tracked } from '../checker/index.ts'
export { type DevicePrivate, device_private, type OwnThread } from './device_private.ts'
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

// Functions of the kernel for models of others to call. They are tracked, so that a call without `yield*` is noticed, and take
// precedence over the untracked exports of the same name above.
export const { gup_fast, pin_user_page, pin_longterm } = allTracked(gup)
export const { handle_mm_fault, do_swap_page, zap_pte, copy_pte, vm_insert_page } = allTracked(memory)
export const {
  percpu_ref_put_many,
  put_dev_pagemap,
  get_dev_pagemap,
  percpu_ref_kill,
  wait_for_drain,
  pageunmap_range,
  lock_page,
  unlock_page,
  put_page,
  zone_device_page_init,
  memunmap_pages,
  page_free,
  memunmap_without_pages,
} = allTracked(memremap)
export const {
  migrate_device_page,
  migrate_vma_to_ram,
  migrate_vma_to_system,
  migrate_device_pfn,
  migrate_device_coherent_folio,
  migrate_vma_to_device,
  migrate_vma_device_to_device,
} = allTracked(migrate_device)
export const {
  set_page_count,
  get_page,
  get_page_unless_zero,
  page_ref_dec_and_test,
  page_ref_dec_return,
  touch_freed_page,
  touch_page,
} = allTracked(page_ref)

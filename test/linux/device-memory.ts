// SPDX-License-Identifier: GPL-2.0-or-later
import {
  type DevicePrivate,
  type DriverParts,
  device_private,
  type Kernel,
  type PageList,
  page_list,
  step,
  zone_device_page_init,
} from '../../src/linux/index.ts'

/** The parts of a driver of device-private memory without a mistake, as changed by `more`, which need not be of the right type. */
export function device_memory(kernel: Kernel, more: (free: PageList) => object = () => ({})): DriverParts {
  const free = page_list(kernel)
  return device_private(kernel, {
    *alloc_page() {
      const page = yield* step('alloc', s => free.pop(s))
      if (page) yield* zone_device_page_init(page)
      return page
    },
    *page_free(page) {
      yield* step('free', s => free.push(s, page))
    },
    clear: free.clear,
    evicts: true,
    ...more(free),
  } as DevicePrivate)
}

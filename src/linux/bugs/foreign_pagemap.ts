// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * drm_pagemap: a device may hold a reference on the pagemap of another one. The last put calls the provider's destroy
 * callback, but nothing keeps the provider's module loaded until then.
 */
import { cell, type Steps, step } from '../../checker/index.ts'
import { driver } from '../driver.ts'
import type { Kernel } from '../types.ts'

export const foreign_pagemap = driver({
  name: 'foreign_pagemap',
  type: 'PRIVATE',
  protocols: ['G'],
  setup(kernel: Kernel) {
    const kref = cell('dpagemap->ref', { max: 3, init: 1 })
    const module_refs = cell('module.refcnt', { max: 2 })
    const loaded = cell('module.loaded', { max: 1, init: 1 })
    kernel.cells.push(kref, module_refs, loaded)
    const keeps = kernel.fixes.has('owner_outlives_users')

    function* foreign_device(): Steps<void> {
      const got = yield* step('drm_pagemap_get_unless_zero', s => {
        if (s.get(kref) === 0 || s.get(loaded) === 0) return false
        s.add(kref, 1)
        if (keeps) s.add(module_refs, 1)
        return true
      })
      if (got) yield* drm_pagemap_put()
    }

    function* drm_pagemap_put(): Steps<void> {
      const last = yield* step('kref_put', s => s.add(kref, -1) === 0)
      if (last) yield* destroy()
      if (keeps) yield* step('module_put', s => s.add(module_refs, -1))
    }

    function* destroy(): Steps<void> {
      yield* step('dpagemap->ops->destroy', s => {
        if (s.get(loaded) === 0) s.fail('pagemap-gone', "the provider's destroy callback after its module is gone")
      })
    }

    function* unbind(): Steps<void> {
      const last = yield* step('kref_put', s => s.add(kref, -1) === 0)
      if (last) yield* destroy()
      yield* step('delete_module', s => {
        s.wait(s.get(module_refs) === 0)
        s.set(loaded, 0)
      })
    }

    return {
      ops: {},
      roles: { foreign: { body: foreign_device, times: 2 }, unbind: { body: unbind, times: 1, finishes: true } },
      threads: { foreign: 2, unbind: 1 },
    }
  },
})

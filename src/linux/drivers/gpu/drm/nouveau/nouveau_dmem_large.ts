// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * drivers/gpu/drm/nouveau/nouveau_dmem.c of 6.19 and later, with large folios. nouveau_dmem_evict_chunk() allocates a large
 * folio of system memory for a large folio of its own, but unlike nouveau_dmem_migrate_to_ram() does not set
 * MIGRATE_PFN_COMPOUND for it. __migrate_device_pages(), which has no vma here, then does not migrate the folio.
 */
import { large_folios } from '../../../../lib/test_hmm_large.ts'

export default large_folios({
  name: 'nouveau_dmem_large',
  type: 'PRIVATE',
  evicts_whole: kernel => kernel.fixes.has('nouveau_evicts_compound'),
  counts_allocated: true,
})

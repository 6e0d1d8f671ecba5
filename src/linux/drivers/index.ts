// SPDX-License-Identifier: GPL-2.0-or-later
import book3s_hv_uvmem from '../arch/powerpc/kvm/book3s_hv_uvmem.ts'
import type { Driver } from '../driver.ts'
import fsdax from '../fs/dax.ts'
import test_hmm, { test_hmm_coherent } from '../lib/test_hmm.ts'
import { test_hmm_large, test_hmm_large_coherent } from '../lib/test_hmm_large.ts'
import device_dax from './dax/device.ts'
import fsdev from './dax/fsdev.ts'
import kfd_migrate from './gpu/drm/amd/amdkfd/kfd_migrate.ts'
import drm_pagemap from './gpu/drm/drm_pagemap.ts'
import nouveau_dmem from './gpu/drm/nouveau/nouveau_dmem.ts'
import nouveau_dmem_large from './gpu/drm/nouveau/nouveau_dmem_large.ts'
import p2pdma from './pci/p2pdma.ts'

/** All drivers, in the order in which they are listed: first the three that the mails of 2020 are about. */
export const drivers: readonly Driver[] = [
  book3s_hv_uvmem,
  nouveau_dmem,
  test_hmm,
  test_hmm_coherent,
  test_hmm_large,
  test_hmm_large_coherent,
  nouveau_dmem_large,
  kfd_migrate,
  drm_pagemap,
  fsdax,
  fsdev,
  device_dax,
  p2pdma,
]

// SPDX-License-Identifier: GPL-2.0-or-later
import { parentPort } from 'node:worker_threads'
import { jobAnswerer } from '../trace/tracedat/decode-pool.ts'
import { nodeCodecs } from './codecs.ts'

// Started now, so that it loads while the main thread still reads the head of the file.
const zstd = nodeCodecs.zstd()

parentPort!.on(
  'message',
  jobAnswerer((reply, memory) => parentPort!.postMessage(reply, memory), { ...nodeCodecs, zstd: () => zstd }),
)

// SPDX-License-Identifier: GPL-2.0-or-later
/** Starts worker threads of Node for the checker. */
import { Worker } from 'node:worker_threads'
import type { Spawn } from '../checker/index.ts'

const PRELUDE = `
const { parentPort } = require('node:worker_threads')
const send = message => parentPort.postMessage(message)
const receive = handler => parentPort.on('message', handler)
`

export const spawn: Spawn = text => {
  const worker = new Worker(PRELUDE + text, { eval: true })
  return {
    post: message => worker.postMessage(message),
    onMessage: handler => void worker.on('message', handler),
    onError: handler => void worker.on('error', handler),
    terminate: () => void worker.terminate(),
  }
}

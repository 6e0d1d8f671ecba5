// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Decoding in further workers, for the worker that reads. The page starts all workers and connects each decoder to the reader by
 * a channel, because in a report opened from disk a worker cannot start others.
 */
import { jobAnswerer, type PoolReply, type PoolRequest, ThreadPool } from '../../src/trace/tracedat/decode-pool.ts'

/** Returns a pool of the decoders at the other ends of `ports`; undefined if there are none. */
export function poolOf(ports: MessagePort[]): ThreadPool | undefined {
  if (ports.length === 0) return undefined
  const rest = [...ports]
  return new ThreadPool(ports.length, {
    start({ reply }) {
      const port = rest.shift()!
      port.onmessage = ({ data }: MessageEvent<PoolReply>) => reply(data)
      return {
        post: (request, memory) => port.postMessage(request, memory),
        end: () => port.close(),
      }
    },
    poll,
  })
}

/** Lets the messages that have arrived be handled. A message to oneself queues behind them, without a timer's minimum delay. */
function poll(): Promise<void> {
  const { port1, port2 } = new MessageChannel()
  return new Promise(resolve => {
    port2.onmessage = () => {
      port1.close()
      resolve()
    }
    port1.postMessage(undefined)
  })
}

/** Decodes for the pool at the other end of `port`. */
export function serveDecoder(port: MessagePort): void {
  const answer = jobAnswerer((reply, memory) => port.postMessage(reply, memory), {})
  port.onmessage = ({ data }: MessageEvent<PoolRequest>) => answer(data)
}

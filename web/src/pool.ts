// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Decoding in workers beside the one that reads. The page starts them all and gives each pair a channel: a worker cannot start
 * others out of a report that was opened from disk.
 */
import { jobAnswerer, type PoolReply, type PoolRequest, ThreadPool } from '../../src/trace/tracedat/decode-pool.ts'

/** Decoders at the other ends of `ports`; undefined where there are none. */
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

/** A message to oneself comes after those that have arrived; a timer would wait for milliseconds. */
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

/** Answers what a pool at the other end asks for. */
export function serveDecoder(port: MessagePort): void {
  const answer = jobAnswerer((reply, memory) => port.postMessage(reply, memory), {})
  port.onmessage = ({ data }: MessageEvent<PoolRequest>) => answer(data)
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Reads memory dumps from files, with Node's decompressors. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { inflateSync } from 'node:zlib'
import type { KdumpCodecs, Unpack } from '../core/memory/kdump.ts'
import type { CoreSource } from '../core/memory/source.ts'
import { nodeCodecs } from './codecs.ts'

/** A dump in a file, or the memory of the running kernel in /proc/kcore, read piece by piece. */
export class FileCoreSource implements CoreSource {
  readonly name: string
  readonly size: number
  readonly #fd: number

  constructor(path: string, live = false) {
    this.name = path
    this.#fd = openSync(path, 'r')
    this.size = live ? Infinity : fstatSync(this.#fd).size
  }

  read(offset: number | bigint, length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    let done = 0
    while (done < length) {
      const position = typeof offset === 'bigint' ? offset + BigInt(done) : offset + done
      const read = readSync(this.#fd, bytes, done, length - done, position as number)
      if (read === 0) break
      done += read
    }
    return done === length ? bytes : bytes.subarray(0, done)
  }

  close(): void {
    closeSync(this.#fd)
  }
}

const zlib: Unpack = (data, size) => inflateSync(data, { maxOutputLength: Math.max(1, size) })

/** Returns decompressors for kdump files. WebAssembly is loaded first, because they are called synchronously. */
export async function kdumpCodecs(): Promise<KdumpCodecs> {
  const zstd = await nodeCodecs.zstd()
  return { zlib, zstd: (data, size) => zstd(data, size) as Uint8Array }
}

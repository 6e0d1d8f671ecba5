// SPDX-License-Identifier: GPL-2.0-or-later
import { type FileHandle, open } from 'node:fs/promises'
import type { ByteSource } from '../trace/events.ts'

/** A file, read piece by piece. */
export class FileSource implements ByteSource {
  readonly name: string
  readonly size: number
  readonly #handle: FileHandle

  private constructor(name: string, size: number, handle: FileHandle) {
    this.name = name
    this.size = size
    this.#handle = handle
  }

  /** Opens a file; `name` is what errors call it. */
  static async open(path: string, name = path): Promise<FileSource> {
    const handle = await open(path)
    const { size } = await handle.stat()
    return new FileSource(name, size, handle)
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const wanted = Math.max(0, Math.min(length, this.size - offset))
    // Not from Buffer's pool: the memory may be handed to another thread.
    const bytes = new Uint8Array(wanted)
    let done = 0
    while (done < wanted) {
      const { bytesRead } = await this.#handle.read(bytes, done, wanted - done, offset + done)
      if (bytesRead === 0) break
      done += bytesRead
    }
    return done === wanted ? bytes : bytes.subarray(0, done)
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }
}

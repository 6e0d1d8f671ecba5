// SPDX-License-Identifier: GPL-2.0-or-later
/** Examines a dump in a worker, by the same code as the command line. */
import { examine } from '../../../src/core/examine.ts'
import type { Unpack } from '../../../src/core/memory/kdump.ts'
import { openDump } from '../../../src/core/memory/open.ts'
import { BlockCache, type CoreSource } from '../../../src/core/memory/source.ts'
import { coreJson } from '../../../src/report/core-json.ts'
import { portableZstd } from '../../../src/trace/common/compression.ts'

/** Available in workers only, and therefore not in the type library of pages. */
declare const FileReaderSync: new () => { readAsArrayBuffer(blob: Blob): ArrayBuffer }

/** A file of the user, read in parts on demand. */
class BlobCoreSource implements CoreSource {
  readonly name: string
  readonly size: number
  readonly #blob: Blob
  readonly #reader = new FileReaderSync()

  constructor(name: string, blob: Blob) {
    this.name = name
    this.#blob = blob
    this.size = blob.size
  }

  read(offset: number | bigint, length: number): Uint8Array {
    const from = Number(offset)
    return new Uint8Array(this.#reader.readAsArrayBuffer(this.#blob.slice(from, from + length)))
  }
}

/** Examines a dump. @returns the JSON that `lastput core --json` writes */
export async function examineBlob(
  name: string,
  blob: Blob,
  progress: (what: string, done: number, total: number | undefined) => void,
): Promise<object> {
  const source = new BlockCache(new BlobCoreSource(name, blob))
  // Once the WebAssembly module is loaded, decompression is synchronous.
  const zstd = (await portableZstd()) as Unpack
  return coreJson(name, examine(openDump(source, { codecs: { zstd } }), name, { progress }))
}

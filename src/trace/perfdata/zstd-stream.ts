// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Unpacks PERF_RECORD_COMPRESSED. The records are pieces of one zstd stream, and each unpacks to what was packed into it.
 *
 * The stream is split into frames here (RFC 8878, 3.1.1), so that frames whose windows would exhaust memory can be refused.
 */

/** Maximum window size in bytes, which is that of the highest level that perf uses. */
const MAX_WINDOW = 1 << 23

/**
 * Limit in bytes for moving the decoder's window, which it does for every block. Tiny blocks with a large window would take very
 * long.
 */
const MOVED_BYTES_FREE = 1 << 29
const MOVED_BYTES_PER_BYTE = 4096

const MAGIC = 0xfd2fb528
/** Maximum size of a frame's header in bytes. The shortest frame with a block is not longer. */
const FRAME_HEADER = 18
const BLOCK_HEADER = 3
const BLOCK_RLE = 1

/** Thrown if the stream cannot be unpacked further. */
export class ZstdError extends Error {
  override name = 'ZstdError'
}

/** Unpacks a frame piece by piece, and passes the output to a callback. */
interface Decompressor {
  push(chunk: Uint8Array): void
}
type DecompressorClass = new (ondata: (data: Uint8Array) => void) => Decompressor

export class ZstdStream {
  #queue: Uint8Array[] = []
  #output: Uint8Array[] = []
  #Decompress: DecompressorClass | undefined
  #decoder: Decompressor | undefined
  /** Bytes of an incomplete header of a frame or block. */
  #head = new Uint8Array(0)
  /** Number of bytes to the next block's header, and whether the frame ends there. */
  #untilBlock = 0
  #lastBlock = false
  #checksum = 0
  #window = 0
  #input = 0
  #moved = 0
  #failed = false

  /** Loads the decoder. Must be awaited before `unpack`. */
  async load(): Promise<void> {
    this.#Decompress ??= (await import('fzstd')).Decompress as unknown as DecompressorClass
  }

  /** True if compressed bytes wait to be unpacked. */
  get pending(): boolean {
    return this.#queue.length > 0
  }

  push(packed: Uint8Array): void {
    if (!this.#failed) this.#queue.push(packed)
  }

  /** Stops unpacking for good. */
  fail(): void {
    this.#failed = true
    this.#queue = []
  }

  /**
   * Unpacks the waiting bytes.
   * @throws ZstdError on damage
   */
  *unpack(): Generator<Uint8Array> {
    for (let packed = this.#queue.shift(); packed; packed = this.#queue.shift()) {
      this.#input += packed.length
      for (let rest = packed; rest.length > 0; ) {
        rest = this.#decoder ? this.#feed(rest) : this.#startFrame(rest)
        const output = this.#output
        this.#output = []
        yield* output
      }
    }
  }

  /** Reads a frame's header. Returns the bytes still to be decoded, including the header. */
  #startFrame(chunk: Uint8Array): Uint8Array {
    const bytes = joined(this.#head, chunk)
    if (bytes.length < FRAME_HEADER) {
      this.#head = bytes
      return new Uint8Array(0)
    }
    this.#head = new Uint8Array(0)
    const { window, size, checksum } = frameHeader(bytes)
    if (window > MAX_WINDOW) throw new ZstdError(`a zstd window of ${window} bytes (at most ${MAX_WINDOW})`)
    this.#window = window
    this.#checksum = checksum
    this.#untilBlock = size
    this.#lastBlock = false
    this.#decoder = new this.#Decompress!(data => {
      if (data.length > 0) this.#output.push(data.slice())
    })
    return bytes
  }

  /** Passes bytes to the decoder up to the end of the frame. Returns the bytes after it. */
  #feed(chunk: Uint8Array): Uint8Array {
    const end = this.#frameEnd(chunk)
    try {
      this.#decoder!.push(end < 0 ? chunk : chunk.subarray(0, end))
    } catch (error) {
      // On damage, the decoder may throw anything.
      throw new ZstdError(error instanceof Error ? error.message : String(error))
    }
    if (end < 0) return new Uint8Array(0)
    this.#decoder = undefined
    return chunk.subarray(end)
  }

  /** Follows the blocks. Returns the end of the frame in `chunk`; -1 if it is not there. */
  #frameEnd(chunk: Uint8Array): number {
    for (let at = 0; ; ) {
      const step = Math.min(this.#untilBlock, chunk.length - at)
      at += step
      this.#untilBlock -= step
      if (this.#untilBlock > 0) return -1
      if (this.#lastBlock) return at
      const taken = Math.min(BLOCK_HEADER - this.#head.length, chunk.length - at)
      this.#head = joined(this.#head, chunk.subarray(at, at + taken))
      at += taken
      if (this.#head.length < BLOCK_HEADER) return -1
      this.#block(this.#head[0]! | (this.#head[1]! << 8) | (this.#head[2]! << 16))
      this.#head = new Uint8Array(0)
    }
  }

  #block(header: number): void {
    const size = header >> 3
    this.#lastBlock = (header & 1) === 1
    this.#untilBlock = ((header >> 1) & 3) === BLOCK_RLE ? 1 : size
    if (this.#lastBlock) this.#untilBlock += this.#checksum
    this.#moved += this.#window
    if (this.#moved > MOVED_BYTES_FREE + this.#input * MOVED_BYTES_PER_BYTE) throw new ZstdError('too many zstd blocks')
  }
}

/** Sizes in bytes of a frame's window, of its header, and of the checksum at its end. */
function frameHeader(bytes: Uint8Array): { window: number; size: number; checksum: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getUint32(0, true) !== MAGIC) throw new ZstdError('no zstd frame')
  const flags = bytes[4]!
  const single = ((flags >> 5) & 1) === 1
  const dictionary = [0, 1, 2, 4][flags & 3]!
  const sizeBytes = [single ? 1 : 0, 2, 4, 8][flags >> 6]!
  const sizeAt = 5 + (single ? 0 : 1) + dictionary
  const descriptor = bytes[5]!
  const base = 2 ** (10 + (descriptor >> 3))
  const window = single ? contentSize(view, sizeAt, sizeBytes) : base + (base / 8) * (descriptor & 7)
  return { window, size: sizeAt + sizeBytes, checksum: (flags & 4) === 0 ? 0 : 4 }
}

function contentSize(view: DataView, at: number, bytes: number): number {
  if (bytes === 8) return Number(view.getBigUint64(at, true))
  if (bytes === 4) return view.getUint32(at, true)
  return bytes === 2 ? view.getUint16(at, true) + 256 : view.getUint8(at)
}

function joined(head: Uint8Array, tail: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(head.length + tail.length)
  bytes.set(head)
  bytes.set(tail, head.length)
  return bytes
}

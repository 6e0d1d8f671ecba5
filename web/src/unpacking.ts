// SPDX-License-Identifier: GPL-2.0-or-later
/** Unpacks files that are compressed as a whole with gzip, and names the program for other formats. */

/** Size limit of the unpacked data, in bytes: a small file can expand to any size. */
const MOST_BYTES = 2 ** 31

/** Bytes that are collected before they become a blob, which the browser may keep on disk. */
const PART_BYTES = 1 << 26

const PACKERS: [name: string, program: string, magic: number[]][] = [
  ['zstd', 'zstd -d', [0x28, 0xb5, 0x2f, 0xfd]],
  ['xz', 'unxz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ['bzip2', 'bunzip2', [0x42, 0x5a, 0x68]],
]
const GZIP = [0x1f, 0x8b]

export interface Unpacked {
  blob: Blob
  /** A note on damage, to be shown with the result. */
  note?: string
}

/** Unpacks a file if it is compressed. @throws Error if browsers do not support the format, or if the data is too large */
export async function unpacked(name: string, blob: Blob): Promise<Unpacked> {
  const start = new Uint8Array(await blob.slice(0, 8).arrayBuffer())
  const begins = (magic: number[]) => magic.every((byte, i) => start[i] === byte)
  if (begins(GZIP)) return gunzip(name, blob)
  for (const [packer, program, magic] of PACKERS)
    if (begins(magic))
      throw new Error(`${name}: expected an unpacked file; this one is packed by ${packer} (${program})`)
  return { blob }
}

/** Unpacks as much as possible. A truncated file yields the data before its end. */
async function gunzip(name: string, blob: Blob): Promise<Unpacked> {
  const reader = blob.stream().pipeThrough(new DecompressionStream('gzip')).getReader()
  const whole: Blob[] = []
  let parts: Uint8Array<ArrayBuffer>[] = []
  let [size, pending] = [0, 0]
  let note: string | undefined
  for (;;) {
    const next = await reader.read().catch((error: Error) => {
      note = `${name} is cut off or damaged, and was read up to there: ${error.message}`
      return { done: true, value: undefined }
    })
    if (next.done) break
    const part = next.value as Uint8Array<ArrayBuffer>
    size += part.length
    if (size > MOST_BYTES) {
      await reader.cancel()
      throw new Error(`${name}: expected at most ${MOST_BYTES} bytes when unpacked`)
    }
    parts.push(part)
    pending += part.length
    if (pending < PART_BYTES) continue
    whole.push(new Blob(parts))
    parts = []
    pending = 0
  }
  if (size === 0) throw new Error(`${name}: expected a file packed by gzip${note === undefined ? '' : `; ${note}`}`)
  return { blob: new Blob([...whole, ...parts]), ...(note === undefined ? {} : { note }) }
}

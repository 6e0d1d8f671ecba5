// SPDX-License-Identifier: GPL-2.0-or-later
/** Writes a tar archive in POSIX's ustar format. */

const BLOCK = 512

/** An archive of files by their paths, which have at most 100 characters. */
export function writeTar(files: Iterable<readonly [path: string, bytes: Uint8Array]>): Uint8Array {
  const blocks: Uint8Array[] = []
  for (const [path, bytes] of files) {
    const body = new Uint8Array(Math.ceil(bytes.length / BLOCK) * BLOCK)
    body.set(bytes)
    blocks.push(header(path, bytes.length), body)
  }
  blocks.push(new Uint8Array(2 * BLOCK))
  const archive = new Uint8Array(blocks.reduce((sum, block) => sum + block.length, 0))
  let at = 0
  for (const block of blocks) {
    archive.set(block, at)
    at += block.length
  }
  return archive
}

function header(path: string, size: number): Uint8Array {
  const block = new Uint8Array(BLOCK)
  const put = (at: number, text: string) => block.set(new TextEncoder().encode(text), at)
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, '0')
  put(0, path)
  put(100, `${octal(0o644, 7)}\0${octal(0, 7)}\0${octal(0, 7)}\0${octal(size, 11)}\0${octal(0, 11)}\0`)
  put(148, '        ')
  put(156, '0')
  put(257, 'ustar\x0000')
  put(
    148,
    `${octal(
      block.reduce((sum, byte) => sum + byte, 0),
      6,
    )}\0 `,
  )
  return block
}

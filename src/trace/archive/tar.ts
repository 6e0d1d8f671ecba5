// SPDX-License-Identifier: GPL-2.0-or-later
/** Lists the files in a tar archive. Format: tar(5) of FreeBSD, POSIX.1 pax interchange format, and GNU's long names. */
import { decodeText, readExactly } from '../common/bytes.ts'
import { type ByteSource, type Damage, TraceError } from '../events.ts'

const BLOCK = 512
const MAGIC_AT = 257
/** The bytes of "ustar", which a version follows (POSIX's or GNU's). The fields before it begin with the name of the entry. */
const MAGIC = [0x75, 0x73, 0x74, 0x61, 0x72]

/** Number of bytes needed to identify a tar archive. */
export const TAR_START = MAGIC_AT + MAGIC.length

/** Limit of the number of entries, more than a directory of perf has. */
const MAX_ENTRIES = 1 << 16
/** Maximum length of a name that is stored in an entry of its own. */
const MAX_NAME = 1 << 16

export interface TarEntry {
  /** Path as it is in the archive. */
  name: string
  offset: number
  size: number
}

/** True if a file begins like a tar archive. */
export function isTar(start: Uint8Array): boolean {
  return start.length >= TAR_START && MAGIC.every((byte, i) => start[MAGIC_AT + i] === byte)
}

/** Lists the regular files of an archive. Damage ends the list and is added to `damage`. */
export async function tarEntries(source: ByteSource, damage: Damage[]): Promise<TarEntry[]> {
  const entries: TarEntry[] = []
  let name: string | undefined
  let at = 0
  try {
    for (let n = 0; n < MAX_ENTRIES && at + BLOCK <= source.size; n++) {
      const header = await readExactly(source, at, BLOCK, 'the header of an entry')
      if (header.every(byte => byte === 0)) return entries
      checkSum(source.name, at, header)
      const size = octal(source.name, at + 124, header.subarray(124, 136))
      const data = at + BLOCK
      if (data + size > source.size)
        throw new TraceError(
          source.name,
          data,
          `expected ${size} bytes of an entry, but the file ends at ${source.size}`,
        )
      const type = String.fromCharCode(header[156]!)
      if (type === 'L' || type === 'x') name = (await longName(source, data, size, type)) ?? name
      else {
        if (type === '0' || type === '\0') entries.push({ name: name ?? shortName(header), offset: data, size })
        name = undefined
      }
      at = data + Math.ceil(size / BLOCK) * BLOCK
    }
    damage.push({ file: source.name, offset: at, expected: 'expected the end mark of a tar archive' })
  } catch (error) {
    if (!(error instanceof TraceError)) throw error
    damage.push({ file: error.file, offset: error.offset, expected: error.expected })
  }
  return entries
}

/** Checks the header's checksum, which is the sum of its bytes with blanks in place of the checksum itself. */
function checkSum(file: string, at: number, header: Uint8Array): void {
  const told = octal(file, at + 148, header.subarray(148, 156))
  let sum = 8 * 0x20
  for (let i = 0; i < BLOCK; i++) if (i < 148 || i >= 156) sum += header[i]!
  if (sum !== told) throw new TraceError(file, at, 'expected the header of an entry of a tar archive')
}

/** Reads a number in octal digits, or in GNU's base-256 encoding. */
function octal(file: string, at: number, bytes: Uint8Array): number {
  if (bytes[0]! & 0x80) {
    let value = bytes[0]! & 0x7f
    for (const byte of bytes.subarray(1)) value = value * 256 + byte
    if (value <= Number.MAX_SAFE_INTEGER) return value
  }
  const digits = decodeText(bytes).replaceAll('\0', ' ').trim()
  if (!/^[0-7]*$/.test(digits)) throw new TraceError(file, at, 'expected a number in octal digits')
  return Number.parseInt(digits || '0', 8)
}

function shortName(header: Uint8Array): string {
  const [name, prefix] = [text(header.subarray(0, 100)), text(header.subarray(345, 500))]
  return prefix === '' ? name : `${prefix}/${name}`
}

/** Reads the name from an entry that describes the next one: the whole contents for GNU, a record "length path=NAME" for pax. */
async function longName(source: ByteSource, at: number, size: number, type: string): Promise<string | undefined> {
  if (size > MAX_NAME) throw new TraceError(source.name, at, `expected a name of at most ${MAX_NAME} bytes`)
  const bytes = await readExactly(source, at, size, 'a name')
  return type === 'L' ? text(bytes) : /(?:^|\n)\d+ path=([^\n]*)\n/.exec(decodeText(bytes))?.[1]
}

function text(bytes: Uint8Array): string {
  const end = bytes.indexOf(0)
  return decodeText(end < 0 ? bytes : bytes.subarray(0, end))
}

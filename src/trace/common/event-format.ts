// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Parses event formats: the text of tracefs `events/SYSTEM/NAME/format`, which determines every record layout.
 *
 * Facts of the format: Documentation/trace/events.rst.
 */

/** One field of an event record. Offsets and sizes in bytes. */
export interface Field {
  name: string
  /** C type as written, without the name: `unsigned long`, `__data_loc char[]`. */
  type: string
  offset: number
  size: number
  signed: boolean
  /** Declared as an array: `unsigned long caller[8]`. */
  array: boolean
  /** `__data_loc` or `__rel_loc`: a u32 of offset (low half) and length (high half); relative to the field's end for `rel`. */
  dynamic: 'data' | 'rel' | undefined
}

export interface EventFormat {
  system: string
  name: string
  id: number
  /** Fields in order, the common ones first. */
  fields: Field[]
  /** The text after `print fmt:`. */
  printFmt: string
}

/** A record in memory: `length` bytes from `at`. */
export interface RecordBytes {
  bytes: Uint8Array
  view: DataView
  at: number
  length: number
}

/** Maximum record size: sub-buffers of the ring buffer have at most 2^27 bytes. */
const MAX_RECORD = 1 << 27

/** Maximum number of fields of one event. More than this is damage. */
const MAX_FIELDS = 1024

const FIELD = /^\s*field(?: special)?:([^;]*);\s*offset:\s*(\d+);\s*size:\s*(\d+);(?:\s*signed:\s*(\d+);)?/

/** Splits "char name[16]" into "char", "name" and "[16]"; undefined if there is no name. */
function splitDeclaration(text: string): { base: string; name: string; brackets: string } | undefined {
  let end = text.trimEnd().length
  while (text[end - 1] === ']') end = text.slice(0, Math.max(0, text.lastIndexOf('[', end))).trimEnd().length
  let start = end
  while (start > 0 && /\w/.test(text[start - 1]!)) start--
  while (start < end && /\d/.test(text[start]!)) start++
  if (start === end) return undefined
  return { base: text.slice(0, start).trim(), name: text.slice(start, end), brackets: text.slice(end).trim() }
}

/** Parses one `field:` line; undefined for other lines and for impossible offsets. */
export function parseField(line: string): Field | undefined {
  const match = FIELD.exec(line)
  if (!match) return undefined
  const declaration = splitDeclaration(match[1]!)
  if (!declaration) return undefined
  const { base, name, brackets } = declaration
  const offset = Number(match[2])
  const size = Number(match[3])
  if (offset + size > MAX_RECORD) return undefined
  const type = `${base}${brackets}`
  return {
    name,
    type,
    offset,
    size,
    signed: match[4] === undefined ? !/unsigned|^u\d+|\*/.test(type) : match[4] !== '0',
    array: brackets !== '' && !/^__(data|rel)_loc\b/.test(base),
    dynamic: /^__data_loc\b/.test(base) ? 'data' : /^__rel_loc\b/.test(base) ? 'rel' : undefined,
  }
}

/** Parses the fields of a text without a name or an id, such as `header_page`. */
export function parseFields(text: string): Field[] {
  const fields: Field[] = []
  for (const line of text.split('\n')) {
    const field = parseField(line)
    if (field && fields.length < MAX_FIELDS) fields.push(field)
  }
  return fields
}

/** Parses one `format` file; undefined if it has no event name, no id or no field. */
export function parseEventFormat(system: string, text: string): EventFormat | undefined {
  const name = /^name:\s*(\S+)/m.exec(text)?.[1]
  const id = /^ID:\s*(\d+)/m.exec(text)?.[1]
  if (name === undefined || id === undefined) return undefined
  const print = text.indexOf('print fmt:')
  const fields = parseFields(print < 0 ? text : text.slice(0, print))
  if (fields.length === 0) return undefined
  return { system, name, id: Number(id), fields, printFmt: print < 0 ? '' : text.slice(print + 10).trim() }
}

export function findField(format: EventFormat, name: string): Field | undefined {
  return format.fields.find(field => field.name === name)
}

/** Position of the fields that every event begins with. */
export interface CommonFields {
  /** Offset and size in bytes of common_type, common_flags and common_pid. */
  type: { offset: number; size: number }
  flags: { offset: number; size: number }
  pid: { offset: number; size: number }
  /** Number of bytes that contain all of them. */
  size: number
}

/** Finds the common fields in any event's format. */
export function commonFields(format: EventFormat): CommonFields | undefined {
  const [type, flags, pid] = ['common_type', 'common_flags', 'common_pid'].map(name => findField(format, name))
  if (!type || !flags || !pid || type.size > 4 || flags.size !== 1 || pid.size !== 4) return undefined
  if (type.size === 3 || type.size === 0) return undefined
  const size = Math.max(...[type, flags, pid].map(field => field.offset + field.size))
  return size <= 64 ? { type, flags, pid, size } : undefined
}

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Reads probes from binary records. Probes are rare compared with page_ref events, so their fields are read by interpreting the
 * layout, without generated code. Recordings without probes do not pay for this.
 */

import type { Op } from '../events.ts'
import type { Columns } from './columns.ts'
import { type EventFormat, type Field, findField } from './event-format.ts'
import { drops, PROBE_FIELDS, ProbeFaults, type ProbeField, ProbeValues, probeOp } from './probe-fields.ts'

/** Position of a number in a record. */
interface Place {
  offset: number
  size: number
  signed: boolean
}

/** How to read the records of one probe. Plain data, because it is sent to worker threads. */
export interface ProbeLayout {
  op: Op
  id: number
  /** Minimum size of a record in bytes: it must contain all fields, including those that are not read. */
  size: number
  pid: Place
  fields: [ProbeField, Place][]
}

function placeOf(field: Field | undefined): Place | undefined {
  if (!field || field.array || field.dynamic || field.size < 1 || field.size > 8) return undefined
  const { offset, size, signed } = field
  return { offset, size, signed }
}

/** Returns how to read a probe's records, with the known fields that it has; undefined for other events. */
export function probeLayout(format: EventFormat): ProbeLayout | undefined {
  const op = probeOp(format.system, format.name)
  const pid = placeOf(findField(format, 'common_pid'))
  if (op === undefined || !pid) return undefined
  const fields = PROBE_FIELDS.flatMap((name, field): [ProbeField, Place][] => {
    const place = placeOf(findField(format, name))
    return place ? [[field as ProbeField, place]] : []
  })
  const size = format.fields.reduce((most, field) => Math.max(most, field.offset + field.size), 0)
  return { op, id: format.id, size, pid, fields }
}

/** Reads the records of probes into rows. */
export class ProbeReader {
  readonly #littleEndian: boolean
  /** log2 of the page size of the recorded kernel. */
  readonly #pageShift: number
  readonly #values = new ProbeValues()
  readonly #layouts = new Map<number, ProbeLayout>()
  #low = 0
  #high = 0

  constructor(layouts: readonly ProbeLayout[], littleEndian: boolean, pageShift: number) {
    this.#littleEndian = littleEndian
    this.#pageShift = pageShift
    for (const layout of layouts) if (!this.#layouts.has(layout.id)) this.#layouts.set(layout.id, layout)
  }

  /** Minimum size in bytes of records of an event; undefined if the event is not a probe. */
  size(id: number): number | undefined {
    return this.#layouts.get(id)?.size
  }

  /**
   * Reads the record at `at`, whose size was checked, into a row, except time, cpu and stack. Returns false if the probe is
   * dropped.
   */
  store(id: number, view: DataView, at: number, columns: Columns, row: number, faults: number[]): boolean {
    const { op, pid, fields } = this.#layouts.get(id)!
    const values = this.#values
    values.clear()
    for (const [field, place] of fields) {
      this.#read(view, at, place)
      values.set(field, this.#low, this.#high)
    }
    const fault = values.store(op, this.#pageShift, columns, row)
    this.#read(view, at, pid)
    columns.pid[row] = this.#low
    if (fault !== 0) new ProbeFaults(faults).count(op, fault)
    return !drops(fault)
  }

  #read(view: DataView, at: number, { offset, size, signed }: Place): void {
    let low = 0
    let high = 0
    for (let i = 0; i < size; i++) {
      // Starts with the most significant byte.
      const byte = view.getUint8(at + offset + (this.#littleEndian ? size - 1 - i : i))
      if (i === 0 && signed && byte > 0x7f) low = high = -1
      high = (high << 8) | (low >>> 24)
      low = (low << 8) | byte
    }
    this.#low = low >>> 0
    this.#high = high >>> 0
  }
}

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The formats of probes, as a kernel describes those that kprobe_events and dynamic_events make, and of
 * error_report:error_report_end. Facts: kernel/trace/trace_kprobe.c, trace_probe.c, include/trace/events/error_report.h.
 */

import { commonFields, type EventSpec, type FieldSpec } from './tracedat.ts'

/** Columns of a probe that tells nothing of a page. */
export const BARE = { pfn: 0, flags: 0n, count: 0, mapcount: 0, mapping: 0n, mt: 0, val: 0, ret: 0 }

const u64 = (name: string): FieldSpec => ({ name, type: 'u64', size: 8, signed: false })

/** An event made by a line of kprobe_events; `args` are its fields with the conversions that print them. */
export function kprobeEvent(
  name: string,
  id: number,
  args: readonly (readonly [field: FieldSpec, conversion: string])[],
  { longSize = 8, system = 'lastput', entry = true } = {},
): EventSpec {
  const places = entry ? ['__probe_ip'] : ['__probe_func', '__probe_ret_ip']
  const formats = args.map(([{ name }, conversion]) => ` ${name}=${conversion}`).join('')
  const values = [...places, ...args.map(([{ name }]) => name)].map(name => `REC->${name}`).join(', ')
  return {
    system,
    name,
    id,
    fields: [
      ...commonFields(),
      ...places.map(name => ({ name, type: 'unsigned long', size: longSize, signed: false })),
      ...args.map(([field]) => field),
    ],
    print: `"(${entry ? '%lx' : '%lx <- %lx'})${formats}", ${values}`,
  }
}

/** Every probe: lastput_use by its pfn, the others that name a page by pointer. */
export function probeEvents(longSize: number): EventSpec[] {
  const pointer = ['page', 'vmemmap'].map(name => [u64(name), '0x%Lx'] as const)
  const range = ['start', 'end'].map(name => [u64(name), '%Lu'] as const)
  const options = { longSize }
  return [
    kprobeEvent('lastput_free', 1801, pointer, options),
    kprobeEvent('lastput_alloc', 1802, pointer, options),
    kprobeEvent('lastput_use', 1803, [[u64('pfn'), '%Lu']], options),
    kprobeEvent('lastput_memunmap', 1804, range, { ...options, system: 'fprobes' }),
    kprobeEvent('lastput_memunmap_end', 1805, [], { ...options, system: 'kprobes', entry: false }),
    errorReportEvent(longSize),
  ]
}

function errorReportEvent(longSize: number): EventSpec {
  const names = ['kfence', 'kasan', 'warning'].map((name, value) => `{ ${value}, "${name}" }`).join(', ')
  return {
    system: 'error_report',
    name: 'error_report_end',
    id: 900,
    fields: [
      ...commonFields(),
      { name: 'error_detector', type: 'enum error_detector', size: 4, signed: false },
      { name: 'id', type: 'unsigned long', size: longSize, signed: false },
    ],
    print: `"[%s] %lx", __print_symbolic(REC->error_detector, ${names}), REC->id`,
  }
}

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * Writes the perf.data of `perf record -a -g --intr-regs=... -e mem:ADDRESS/4:w`: samples of watched counts with registers and
 * callchains, and records of losses. Layouts: tools/perf/Documentation/perf.data-file-format.txt, include/uapi/linux/perf_event.h.
 */
import { ByteWriter } from './tracedat.ts'

const HEADER = 104
const ATTR = 128
const IP_TID_TIME_CALLCHAIN_CPU = 1 | 2 | 4 | 32 | 128
const IDENTIFIER = 1 << 16
const REGS_INTR = 1 << 18
const SAMPLE_ID_ALL = 1n << 18n
const PERF_TYPE_BREAKPOINT = 5
const HW_BREAKPOINT_W = 2
const CONTEXT_KERNEL = -128n
const ABI_64 = 2

/** Mask of the registers that the usual command records: ax to bp, r8 to r15. */
export const USUAL_REGISTERS = 0xff007fn

export interface WatchSample {
  time: bigint
  cpu?: number
  pid?: number
  /** Index of the watched address. */
  watch: number
  ip: bigint
  /** Values by perf's register numbers. Other registers are 0. */
  registers?: Readonly<Record<number, bigint>>
  /** Addresses of the callers. The sampled address precedes them in the callchain. */
  callers?: readonly bigint[]
}

export type WatchRecord = WatchSample | { lost: bigint; cpu: number; time: bigint }

export interface WatchSpec {
  /** Watched addresses. */
  addresses: readonly bigint[]
  /** Watched bytes and HW_BREAKPOINT_* of each address; by default writes to 4 bytes. */
  bytes?: number
  access?: number
  registers?: bigint
  /** In kB. */
  totalMemory?: number
  arch?: string
  records: readonly WatchRecord[]
}

/** A perf.data file. */
export function writeWatch(spec: WatchSpec): Uint8Array {
  const out = new ByteWriter(false)
  const count = spec.addresses.length
  const attrsAt = HEADER + 8 * count
  const dataAt = attrsAt + (ATTR + 16) * count
  const data = new ByteWriter(false)
  for (const item of spec.records) record(spec, data, item)
  const features = featuresOf(spec)
  out.text('PERFILE2')
  for (const word of [HEADER, ATTR + 16, attrsAt, (ATTR + 16) * count, dataAt, data.length, 0, 0]) out.u64(word)
  out.u64(features.reduce((bits, [feature]) => bits | (1n << BigInt(feature)), 0n))
  out.bytes(new Uint8Array(24))
  for (let i = 0; i < count; i++) out.u64(idOf(i))
  for (const [i, address] of spec.addresses.entries()) {
    out.bytes(attr(spec, address))
    out.u64(HEADER + 8 * i)
    out.u64(8)
  }
  out.append(data)
  let offset = out.length + 16 * features.length
  for (const [, bytes] of features) {
    out.u64(offset)
    out.u64(bytes.length)
    offset += bytes.length
  }
  for (const [, bytes] of features) out.bytes(bytes)
  return out.take().slice()
}

function idOf(watch: number): number {
  return 100 + watch
}

function attr({ bytes = 4, access = HW_BREAKPOINT_W, registers = USUAL_REGISTERS }: WatchSpec, address: bigint) {
  const out = new ByteWriter(false)
  out.u32(PERF_TYPE_BREAKPOINT)
  out.u32(ATTR)
  out.u64(0)
  out.u64(1)
  out.u64(IP_TID_TIME_CALLCHAIN_CPU | IDENTIFIER | REGS_INTR)
  out.u64(4)
  out.u64(SAMPLE_ID_ALL)
  out.u32(0)
  out.u32(access)
  out.u64(address)
  out.u64(bytes)
  out.bytes(new Uint8Array(24))
  out.u64(registers)
  out.bytes(new Uint8Array(ATTR - out.length))
  return out.take()
}

function featuresOf({ totalMemory = 2_000_000, arch = 'x86_64' }: WatchSpec): [feature: number, data: Uint8Array][] {
  const text = (value: string) => {
    const out = new ByteWriter(false)
    out.u32(64)
    out.text(value.padEnd(64, '\0'))
    return out.take()
  }
  const cpus = new ByteWriter(false)
  cpus.u32(2)
  cpus.u32(2)
  const memory = new ByteWriter(false)
  memory.u64(totalMemory)
  return [
    [4, text('6.1.0-synthetic')],
    [6, text(arch)],
    [7, cpus.take()],
    [10, memory.take()],
  ]
}

function record(spec: WatchSpec, out: ByteWriter, item: WatchRecord): void {
  const body = new ByteWriter(false)
  if ('lost' in item) {
    body.u64(idOf(0))
    body.u64(item.lost)
    // tid, time, cpu, identifier
    body.u64(0)
    body.u64(item.time)
    body.u64(item.cpu)
    body.u64(idOf(0))
  } else sample(spec, body, item)
  out.u32('lost' in item ? 2 : 9)
  out.u16(1)
  out.u16(8 + body.length)
  out.append(body)
}

function sample({ registers: mask = USUAL_REGISTERS }: WatchSpec, body: ByteWriter, item: WatchSample): void {
  const { time, cpu = 0, pid = 1, watch, ip, registers = {}, callers = [] } = item
  body.u64(idOf(watch))
  body.u64(ip)
  body.u32(pid)
  body.u32(pid)
  body.u64(time)
  body.u64(cpu)
  const chain = [BigInt.asUintN(64, CONTEXT_KERNEL), ip, ...callers]
  body.u64(chain.length)
  for (const address of chain) body.u64(address)
  body.u64(ABI_64)
  for (let register = 0; register < 64; register++)
    if ((mask >> BigInt(register)) & 1n) body.u64(BigInt.asUintN(64, registers[register] ?? 0n))
}

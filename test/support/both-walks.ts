// SPDX-License-Identifier: GPL-2.0-or-later
/** Decodes with the loop in WebAssembly and with the generated walk, which must give the same. */
import { nodeCodecs } from '../../src/node/codecs.ts'
import { BytesSource } from '../../src/trace/common/bytes.ts'
import { COLUMN_NAMES, layColumns } from '../../src/trace/common/columns.ts'
import type { ByteSource } from '../../src/trace/events.ts'
import { type Block, type DecodeJob, type DecoderSetup, LocalDecoder } from '../../src/trace/tracedat/block-decoder.ts'
import { ColumnLoop } from '../../src/trace/tracedat/column-loop.ts'
import { TraceContents } from '../../src/trace/tracedat/recording.ts'

/** What a decoder made of a job. */
export type Decoded = Pick<Block, 'state' | 'stacks'> & { columns: { [name: string]: unknown } }

export interface Pair {
  loop: Decoded
  walk: Decoded
}

/** The recording in a file: how to decode it, and its jobs. */
export interface Contents {
  setup: DecoderSetup
  jobs(): AsyncGenerator<DecodeJob>
}

/** Reads a trace.dat file without its events; undefined if it describes no events of page_ref. Throws if it cannot be used. */
export async function contentsOf(source: ByteSource | Uint8Array): Promise<Contents | undefined> {
  const file = source instanceof Uint8Array ? new BytesSource('trace.dat', source) : source
  const contents = await TraceContents.open(file, [], { codecs: nodeCodecs })
  const plan = contents.plan()
  if (!plan) return undefined
  return {
    setup: { plan, compression: contents.compression },
    async *jobs() {
      for (const { cpu, cutter } of contents.cutters([])) {
        for (let piece = await cutter.next(); piece; piece = await cutter.next())
          yield { cpu, ...piece, buffer: undefined }
      }
    },
  }
}

/** True if the loop reads recordings of this kind. */
export function isReadByLoop({ plan }: DecoderSetup): boolean {
  const loop = ColumnLoop.of(plan, undefined)
  loop?.free()
  return loop !== undefined
}

async function decoded(decoder: LocalDecoder, job: DecodeJob): Promise<Decoded> {
  const { buffer, state, stacks } = (await decoder.decode(job)).block
  const columns = layColumns(buffer)
  return {
    state,
    stacks,
    columns: Object.fromEntries(COLUMN_NAMES.map(name => [name, columns[name].slice(0, state.row)])),
  }
}

/** Decodes jobs in both ways, one after the other, as a recording does. */
export async function* bothWays(
  setup: DecoderSetup,
  jobs: AsyncIterable<DecodeJob> | DecodeJob[],
): AsyncGenerator<Pair> {
  const loop = await LocalDecoder.create(setup, nodeCodecs)
  const walk = await LocalDecoder.create(setup, nodeCodecs, true)
  for await (const job of jobs) yield { loop: await decoded(loop, job), walk: await decoded(walk, job) }
  await loop.close()
  await walk.close()
}

/** Returns a job with the same bytes unpacked. */
export async function unpackedJob(job: DecodeJob, setup: DecoderSetup): Promise<DecodeJob> {
  if (setup.compression === 'none') return job
  const unpack = await nodeCodecs[setup.compression]()
  const parts: Uint8Array[] = []
  for (let i = 0; i < job.chunks.length; i += 3) {
    const [at, length, size] = [job.chunks[i]!, job.chunks[i + 1]!, job.chunks[i + 2]!]
    parts.push((await unpack(job.bytes.subarray(at, at + length), size)).slice())
  }
  return { ...job, bytes: Uint8Array.from(Buffer.concat(parts)), chunks: new Uint32Array(0) }
}

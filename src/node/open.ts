// SPDX-License-Identifier: GPL-2.0-or-later
/** Opening recordings from files and from standard input, with what Node has to offer. */
import { createReadStream, createWriteStream, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Damage, OpenOptions, Recording } from '../trace/events.ts'
import type { TextInput } from '../trace/ftracetext/lines.ts'
import { openRecording, SNIFFED_BYTES } from '../trace/open.ts'
import { type CountsFile, turnOf } from '../trace/perfdata/watch/counts-file.ts'
import { readerOf } from '../trace/reader.ts'
import type { DecoderSetup } from '../trace/tracedat/block-decoder.ts'
import { isTraceDat } from '../trace/tracedat/file.ts'
import { nodeCodecs } from './codecs.ts'
import { type Companions, companionsOf, dataFileIn } from './perf-directory.ts'
import { startPool } from './pool.ts'
import { FileSource } from './source.ts'
import { unpacked, unpackerFor } from './unpack.ts'

/** Standard input, as an argument of commands. */
export const STDIN = '-'

const STDIN_NAME = 'standard input'

/** What is known of a recording beside its file. */
export interface FileOptions extends OpenOptions {
  /** Counts of watched pages, in place of those beside the recording. */
  counts?: CountsFile
}

/** A recording to be opened: a file, or text that comes through a pipe and can be read once. */
export type Input = {
  start: Uint8Array
  /** Where a packed file makes no sense; complete when all of it was read. */
  damage: Damage[]
} & ({ file: FileSource; companions?: Companions | undefined } | { pipe: TextInput })

/**
 * Opens a path (of a directory of `perf record --kcore` too), or standard input for "-". What has no size is read as it comes: pipes, and files that the kernel makes up
 * as they are read, such as tracefs' `trace`. A binary recording from there is spooled to a temporary file. What is packed
 * by gzip or zstd is unpacked on the way.
 */
export async function openInput(path: string): Promise<Input> {
  const found = path === STDIN ? undefined : statSync(path)
  if (found?.isDirectory()) {
    const data = dataFileIn(path)
    if (data) return openInput(data)
    throw Object.assign(new Error('a directory'), { code: 'EISDIR', syscall: 'read', path })
  }
  if (found && found.size > 0) {
    const file = new FileSource(path)
    const start = await file.read(0, SNIFFED_BYTES)
    if (!unpackerFor(start)) return { file, start, damage: [], companions: companionsOf(path) }
    file.close()
  }
  return openStream(path === STDIN ? process.stdin : createReadStream(path), path === STDIN ? STDIN_NAME : path)
}

async function openStream(stream: AsyncIterable<Uint8Array>, name: string): Promise<Input> {
  const damage: Damage[] = []
  let { start, rest } = await sniff(stream)
  const unpack = unpackerFor(start)
  if (unpack) ({ start, rest } = await sniff(unpacked(name, unpack, rest, damage)))
  if (readerOf(start).isRandom) return { start, damage, file: await spool(rest, name) }
  return { start, damage, pipe: { name, size: undefined, chunks: () => rest } }
}

/** Opens the recording in an input. Closing the recording closes the file. */
export async function openInputRecording(input: Input, { counts, ...options }: FileOptions = {}): Promise<Recording> {
  if ('pipe' in input)
    return withDamage(
      await (await import('../trace/ftracetext/recording.ts')).openText(input.pipe, options),
      input.damage,
    )
  const { file, start, companions } = input
  const pool = isTraceDat(start) ? startPool(file.size) : undefined
  const decoder = pool && ((setup: DecoderSetup) => pool.begin(setup))
  try {
    const kallsyms = [...(options.kallsyms ?? []), ...(companions?.options.kallsyms ?? [])]
    const all = {
      ...countsFor(file.name, counts ?? companions?.counts),
      ...companions?.options,
      ...options,
      kallsyms,
      codecs: nodeCodecs,
      decoder,
    }
    const recording = await openRecording(file, all)
    const close = recording.close.bind(recording)
    recording.close = async () => {
      await close()
      await pool?.close()
      companions?.close()
      file.close()
    }
    return withDamage(recording, input.damage)
  } catch (error) {
    await pool?.close()
    companions?.close()
    file.close()
    throw error
  }
}

/** The counts of the turn that a file is of. */
export function countsFor(
  name: string,
  counts: CountsFile | undefined,
): Pick<OpenOptions, 'startCounts' | 'endCounts'> {
  const turn = turnOf(name)
  return counts ? { startCounts: counts.before(turn), endCounts: counts.after(turn) } : {}
}

/** Adds the damage of what a recording was unpacked from, which is known when all of it was read. */
function withDamage(recording: Recording, damage: readonly Damage[]): Recording {
  const batches = recording.batches.bind(recording)
  const known = recording.damage as Damage[]
  recording.batches = async function* () {
    yield* batches()
    known.push(...damage)
  }
  return recording
}

/** Opens a recording by path; "-" is standard input. */
export async function openFile(path: string, options: FileOptions = {}): Promise<Recording> {
  return openInputRecording(await openInput(path), options)
}

/** Writes a stream to a temporary file, which is gone as soon as it is closed. */
async function spool(bytes: AsyncIterable<Uint8Array>, name: string): Promise<FileSource> {
  const folder = mkdtempSync(join(tmpdir(), 'lastput-'))
  try {
    const path = join(folder, 'recording')
    await pipeline(bytes, createWriteStream(path))
    return new FileSource(path, name)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The first bytes of a stream, and the whole of it. */
async function sniff(
  stream: AsyncIterable<Uint8Array>,
): Promise<{ start: Uint8Array; rest: AsyncIterable<Uint8Array> }> {
  const iterator = stream[Symbol.asyncIterator]()
  const read: Uint8Array[] = []
  let length = 0
  while (length < SNIFFED_BYTES) {
    const next = await iterator.next()
    if (next.done) break
    read.push(next.value)
    length += next.value.length
  }
  async function* rest() {
    yield* read
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value
  }
  return { start: Uint8Array.from(Buffer.concat(read).subarray(0, SNIFFED_BYTES)), rest: rest() }
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Opens recordings from files and from standard input in Node. */
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

/** The argument of commands that stands for standard input. */
export const STDIN = '-'

const STDIN_NAME = 'standard input'

/** Information about a recording that is not in its file. */
export interface FileOptions extends OpenOptions {
  /** Counts of watched pages, used instead of those beside the recording. */
  counts?: CountsFile
}

/** A recording to be opened: a file, or text from a pipe, which can be read only once. */
export type Input = {
  start: Uint8Array
  /** Damage of the compressed file that contains the recording. Complete when all of it was read. */
  damage: Damage[]
} & ({ file: FileSource; companions?: Companions | undefined } | { pipe: TextInput })

/**
 * Opens a path (which may be a directory of `perf record --kcore`), or standard input for "-". Inputs without a size are read as
 * a stream: pipes, and files that the kernel generates, such as tracefs' `trace`. A binary recording from a stream is written to
 * a temporary file first. gzip and zstd are decompressed on the way.
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

/** Returns the counts of the turn that a file belongs to. */
export function countsFor(
  name: string,
  counts: CountsFile | undefined,
): Pick<OpenOptions, 'startCounts' | 'endCounts'> {
  const turn = turnOf(name)
  return counts ? { startCounts: counts.before(turn), endCounts: counts.after(turn) } : {}
}

/** Adds the damage of the compressed file to a recording's. It is known when all of the file was read. */
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

/** Writes a stream to a temporary file, which is deleted when it is closed. */
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

/** Returns the first bytes of a stream, and the whole stream. */
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

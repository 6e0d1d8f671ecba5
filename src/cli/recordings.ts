// SPDX-License-Identifier: GPL-2.0-or-later
/** What the commands that read recordings share: options, opening, progress, errors. */
import { readFileSync } from 'node:fs'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { CoreError } from '../core/error.ts'
import type { AccountOptions } from '../ledger/account.ts'
import { PROTOCOL_IDS, type ProtocolId } from '../linux/protocols/rules.ts'
import { openFile } from '../node/open.ts'
import { grouped } from '../report/words.ts'
import { type OpenOptions, type Recording, TraceError } from '../trace/events.ts'

export interface RecordingFlags {
  kallsyms: string[]
  buffer?: string
  protocol?: ProtocolId
}

/** Adds the options of every command that accounts for a recording. */
export function recordingOptions(command: Command): Command {
  return command
    .option(
      '--kallsyms <file>',
      'symbols in the form of /proc/kallsyms that the recording lacks; repeatable',
      (value: string, values: string[]) => [...values, value],
      [],
    )
    .option('--buffer <name>', 'the events of this trace instance only')
    .addOption(
      new Option('--protocol <id>', 'judge by this protocol instead of the one recognised').choices(PROTOCOL_IDS),
    )
}

export function openOptions(flags: RecordingFlags): OpenOptions {
  return {
    kallsyms: flags.kallsyms.map(path => readFileSync(path, 'utf8')),
    ...(flags.buffer === undefined ? {} : { buffer: flags.buffer }),
  }
}

/** Opens a recording, does something with it, and closes it whatever happens. */
export async function withRecording<T>(
  path: string,
  flags: RecordingFlags,
  use: (recording: Recording) => Promise<T>,
): Promise<T> {
  const recording = await openFile(path, openOptions(flags))
  try {
    return await use(recording)
  } finally {
    await recording.close()
  }
}

/** Shows how far reading has come, on a terminal and when it takes more than a second. */
export function progressLine(command: string): { show: NonNullable<AccountOptions['onProgress']>; clear: () => void } {
  const started = Date.now()
  let shown = 0
  return {
    show({ events, done, total }) {
      const now = Date.now()
      if (!process.stderr.isTTY || now - started < 1000 || now - shown < 200) return
      shown = now
      const part = total ? ` ${Math.floor((100 * done) / total)} %` : ''
      const rate = ((events / (now - started)) * 1e3) / 1e6
      process.stderr.write(`\r\x1b[Klastput ${command}:${part} ${grouped(events)} events, ${rate.toFixed(1)} M/s`)
    },
    clear() {
      if (shown > 0) process.stderr.write('\r\x1b[K')
    },
  }
}

/** Runs a command's action: errors of its input become a line and exit code 2, all others are ours. */
export async function guarded(command: string, action: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await action()
  } catch (error) {
    const message = inputError(error)
    if (message === undefined) throw error
    process.stderr.write(`lastput ${command}: ${message}\n`)
    process.exitCode = 2
  }
}

/** What to say of an error that the input caused; undefined for one of ours. */
function inputError(error: unknown): string | undefined {
  if (error instanceof TraceError || error instanceof CoreError) return error.message
  if (!(error instanceof Error && 'code' in error && 'syscall' in error)) return undefined
  const { code, path } = error as NodeJS.ErrnoException
  return code === 'ENOENT' && path !== undefined ? `${path}: no such file or directory` : error.message
}

/** A pfn, in hex with or without 0x. */
export function parsePfn(text: string): number {
  const digits = /^(0x)?([0-9a-f]{1,13})$/i.exec(text)
  if (!digits) throw new InvalidArgumentError('expected a page frame number in hex, such as 0xfcf83fc')
  return Number.parseInt(digits[2]!, 16)
}

/** Seconds as in the recording, with up to nine decimals, as ns: `givenTime` makes them ticks where it counts those. */
export function parseTime(text: string): bigint {
  const digits = /^(\d{1,20})(?:\.(\d{1,9}))?$/.exec(text)
  if (!digits)
    throw new InvalidArgumentError('expected seconds, or ticks, as the recording counts them, such as 5.966999')
  return BigInt(digits[1]!) * 1_000_000_000n + BigInt((digits[2] ?? '').padEnd(9, '0'))
}

export function parseCount(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('expected a whole number')
  return Number(text)
}

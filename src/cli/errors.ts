// SPDX-License-Identifier: GPL-2.0-or-later
/** Errors caused by the user's input are printed as one line. All other errors are bugs of lastput and keep their stack. */
import { readFileSync } from 'node:fs'
import { CoreError } from '../core/error.ts'
import { TraceError } from '../trace/events.ts'
import { complain } from './complain.ts'
import { Exit } from './exit-codes.ts'

/** Thrown if what the user asks for does not exist, is contradictory or cannot be loaded. */
export class UsageError extends Error {
  override name = 'UsageError'
}

/** Messages for errno codes of paths that cannot be used, since the codes mean little to users. */
const SYSTEM_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  EISDIR: 'is a directory, where a file is expected',
  EEXIST: 'is a file, where a folder is expected',
  ENOTDIR: 'a part of this path is no directory',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ENOSPC: 'no space left on the disk',
  EROFS: 'the file system is read-only',
  EMFILE: 'too many files are open',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'too many symbolic links',
}

/** Returns the message of an error that the input caused; undefined for a bug of lastput. */
export function inputError(error: unknown): string | undefined {
  if (error instanceof TraceError || error instanceof CoreError || error instanceof UsageError) return error.message
  if (!(error instanceof Error && 'code' in error && 'syscall' in error)) return undefined
  const { code = '', path, message } = error as NodeJS.ErrnoException
  const said = SYSTEM_ERRORS[code]
  return said === undefined || path === undefined ? message : `${path}: ${said}`
}

/** Runs a command's action: an error of its input becomes a line on stderr and exit code 2. */
export async function guarded(command: string, action: () => Promise<Exit>): Promise<void> {
  try {
    process.exitCode = await action()
  } catch (error) {
    const message = inputError(error)
    if (message === undefined) throw error
    complain(`lastput ${command}`, message)
    process.exitCode = Exit.UNUSABLE
  }
}

/** Reads a text file that the user named. @throws an error of the file system that names it */
export function readText(path: string): string {
  return namingFile(path, () => readFileSync(path, 'utf8'))
}

/** Calls `act`. @throws its file system error with the path added, which Node omits for directories and full disks */
export function namingFile<T>(path: string, act: () => T): T {
  try {
    return act()
  } catch (error) {
    throw error instanceof Error && 'syscall' in error ? Object.assign(error, { path }) : error
  }
}

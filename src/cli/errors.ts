// SPDX-License-Identifier: GPL-2.0-or-later
/** Errors that the user's input causes, told in a line; all others are bugs of ours, and keep their stack. */
import { readFileSync } from 'node:fs'
import { CoreError } from '../core/error.ts'
import { TraceError } from '../trace/events.ts'
import { complain } from './complain.ts'
import { Exit } from './exit-codes.ts'

/** What the user asked for does not exist, contradicts itself or cannot be loaded. */
export class UsageError extends Error {
  override name = 'UsageError'
}

/** What the system says of a path that cannot be used, in words; its codes are for programmers. */
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

/** Returns what to say of an error that the input caused; undefined for one of ours. */
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

/** Does something with a file. @throws an error of the file system that names it, as those of directories and full disks do not */
export function namingFile<T>(path: string, act: () => T): T {
  try {
    return act()
  } catch (error) {
    throw error instanceof Error && 'syscall' in error ? Object.assign(error, { path }) : error
  }
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** `lastput open` checks that it can show a file before it starts a browser. */
import { createReadStream, statSync } from 'node:fs'
import { isDump, openDump } from '../core/memory/open.ts'
import { FileCoreSource } from '../node/core-source.ts'
import { openFile } from '../node/open.ts'
import { tooLargeToShow } from '../report/core-words.ts'
import { UsageError } from './errors.ts'

/** Bytes read to recognise a document. An HTML report has the viewer's code before its data. */
const DOCUMENT_BYTES = 1 << 24

const DOCUMENT = /^\s*[[{]/
const PAGE = /^\s*<(!doctype html|html)/i

/** @throws UsageError, TraceError or CoreError for a file that is not a recording, a dump or a document of lastput */
export async function refuseUnshowable(path: string): Promise<void> {
  if (path === '-')
    throw new UsageError('expected a file: standard input can be read once, and the viewer reads it again')
  if (statSync(path).isDirectory()) throw new UsageError(`${path}: is a directory, where a file is expected`)
  const start = await beginning(path)
  if (DOCUMENT.test(start)) {
    if (!/"schema":\s*"lastput\./.test(start))
      throw new UsageError(
        `${path}: expected JSON that lastput wrote (trace, core, check, run, explain), found other JSON`,
      )
  } else if (PAGE.test(start)) {
    if (!start.includes('id="lastput-data"'))
      throw new UsageError(`${path}: expected a report that lastput wrote (--html), found another page`)
  } else if (isDump(new Uint8Array(Buffer.from(start.slice(0, 64), 'latin1')))) {
    refuseDump(path)
  } else {
    const recording = await openFile(path)
    await recording.close()
  }
}

function refuseDump(path: string): void {
  const source = new FileCoreSource(path)
  try {
    const tooLarge = tooLargeToShow(path, source.size)
    if (tooLarge !== undefined) throw new UsageError(tooLarge)
    openDump(source)
  } finally {
    source.close()
  }
}

async function beginning(path: string): Promise<string> {
  const parts: Buffer[] = []
  let bytes = 0
  // Of what is no document, the first part tells.
  for await (const part of createReadStream(path, { end: DOCUMENT_BYTES - 1 }) as AsyncIterable<Buffer>) {
    parts.push(part)
    bytes += part.length
    const text = part.toString('latin1')
    if (bytes === part.length && !DOCUMENT.test(text) && !PAGE.test(text)) break
  }
  return Buffer.concat(parts).toString('latin1')
}

// SPDX-License-Identifier: GPL-2.0-or-later
/** Sources of documents. The address names a source; a user's files are remembered until the page is closed. */
import { type FormlessJson, readingOptions } from '../../src/report/reading-options.ts'
import type { Address } from './address.ts'
import { readDocument } from './documents.ts'
import { EXAMPLES, exampleFile } from './examples.ts'
import type { ReadingOptions } from './messages.ts'
import { type Opened, openBlob } from './opening.ts'
import type { Progress } from './recording.ts'

export interface Source {
  /** Unique among all sources. */
  key: string
  name: string
  /** Reads the source. @throws Error that says what was expected */
  open(onProgress: (progress: Progress) => void): Promise<Opened>
}

/** A file that the address names, but that the page does not have: the user has to drop it again. */
export interface Missing {
  key: string
  missing: string
}

export interface Sources {
  /** Returns the source that the address names; undefined if it names none. */
  named(address: Address): Source | Missing | undefined
  /** Adds a user's file; absent if this page takes none. */
  add?(file: File): void
}

/** Examples, files that the user gives, and the file that the page was served with. */
export class PageSources implements Sources {
  readonly #served: Source | undefined
  readonly #files = new Map<string, Source>()
  #added = 0

  /** @param served name of the file that the page was served with */
  constructor(served: string | undefined) {
    this.#served = served === undefined ? undefined : fromUrl('served', served, './file')
  }

  named(address: Address): Source | Missing | undefined {
    const id = address.get('example')
    const example = EXAMPLES.find(each => each.id === id)
    if (example) return fromUrl(`example ${id}`, example.title, exampleFile(example))
    const file = address.get('file')
    if (file === undefined) return this.#served
    return this.#files.get(file) ?? { key: `missing ${file}`, missing: file }
  }

  add(file: File): void {
    // A file replaces an earlier one of the same name, because it may be a new recording.
    const key = `file ${this.#added++}`
    this.#files.set(file.name, { key, name: file.name, open: progress => openBlob(file.name, file, progress) })
  }
}

function fromUrl(key: string, name: string, url: string): Source {
  return {
    key,
    name,
    async open(onProgress) {
      const response = await fetch(url)
      if (!response.ok) throw new Error(`${name} is not there (${response.status})`)
      return openBlob(name, await response.blob(), onProgress)
    },
  }
}

/** A recording embedded in a report. */
interface EmbeddedRecording {
  name: string
  base64: string
  options: Omit<ReadingOptions, keyof FormlessJson> & FormlessJson
}

/** The source of a report: embedded JSON as `--json` writes it, or an embedded recording. */
export function reportSources(data: string, recording: string | undefined): Sources {
  const source: Source = {
    key: 'report',
    name: 'this report',
    async open(onProgress) {
      if (recording === undefined) return { document: readDocument(JSON.parse(data)) }
      const { name, base64, options } = JSON.parse(recording) as EmbeddedRecording
      return openBlob(name, new Blob([bytesOf(base64)]), onProgress, readingOptions(options))
    },
  }
  return { named: () => source }
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64)
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i)
  return bytes
}

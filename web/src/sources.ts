// SPDX-License-Identifier: GPL-2.0-or-later
/** Where what is shown comes from. The address names it; files that a user has given are known as long as the page lives. */
import { type FormlessJson, readingOptions } from '../../src/report/reading-options.ts'
import type { Address } from './address.ts'
import { readDocument } from './documents.ts'
import { EXAMPLES, exampleFile } from './examples.ts'
import type { ReadingOptions } from './messages.ts'
import { type Opened, openBlob } from './opening.ts'
import type { Progress } from './recording.ts'

export interface Source {
  /** No other source has it. */
  key: string
  name: string
  /** @throws Error that says what was expected */
  open(onProgress: (progress: Progress) => void): Promise<Opened>
}

/** A file that the address names, but that only its user can give. */
export interface Missing {
  key: string
  missing: string
}

export interface Sources {
  /** undefined: the address names nothing. */
  named(address: Address): Source | Missing | undefined
  /** Takes a file from the user; undefined where none are taken. */
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
    // A file of the same name takes the place of the earlier one: it may have been recorded anew.
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

/** A recording as a report holds it. */
interface EmbeddedRecording {
  name: string
  base64: string
  options: Omit<ReadingOptions, keyof FormlessJson> & FormlessJson
}

/** What a report holds: JSON as `--json` writes it, or a whole recording. */
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

// SPDX-License-Identifier: GPL-2.0-or-later
import './style.css'
import { readDocument } from './documents.ts'
import { embedWorker } from './recording.ts'
import { Shell } from './shell.ts'

/** A report carries its data; a page of `lastput open` names its file; any other asks for one. */
function start(): void {
  const data = document.getElementById('lastput-data')
  const served = document.querySelector<HTMLMetaElement>('meta[name="lastput-file"]')?.content
  const recording = document.getElementById('lastput-recording')
  const worker = document.getElementById('lastput-worker')
  const shell = new Shell(document.body, data === null)
  if (!data) {
    shell.start(served)
    return
  }
  if (recording && worker) {
    embedWorker(worker.textContent)
    void shell.openEmbedded(JSON.parse(recording.textContent))
    return
  }
  try {
    shell.open({ document: readDocument(JSON.parse(data.textContent)) })
  } catch (error) {
    shell.fail(`this report cannot be read: ${(error as Error).message}`)
  }
}

start()

// SPDX-License-Identifier: GPL-2.0-or-later
import './style.css'
import { embedWorker } from './recording.ts'
import { Shell } from './shell.ts'
import { PageSources, reportSources, type Sources } from './sources.ts'

/** Returns the source of data: a report contains it, a page of `lastput open` names a file, and any other page asks for one. */
function sources(): Sources {
  const data = document.getElementById('lastput-data')
  if (!data) return new PageSources(document.querySelector<HTMLMetaElement>('meta[name="lastput-file"]')?.content)
  const worker = document.getElementById('lastput-worker')
  if (worker) embedWorker(worker.textContent)
  return reportSources(data.textContent, document.getElementById('lastput-recording')?.textContent)
}

new Shell(document.body, sources()).follow()

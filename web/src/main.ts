// SPDX-License-Identifier: GPL-2.0-or-later
import './style.css'
import { readDocument } from './documents.ts'
import { Shell } from './shell.ts'

/** A report carries its data; a page of `lastput open` names its file; any other asks for one. */
function start(): void {
  const data = document.getElementById('lastput-data')
  const served = document.querySelector<HTMLMetaElement>('meta[name="lastput-file"]')?.content
  const shell = new Shell(document.body, data === null)
  if (!data) {
    shell.start(served)
    return
  }
  try {
    shell.open({ document: readDocument(JSON.parse(data.textContent)) })
  } catch (error) {
    shell.fail(`this report cannot be read: ${(error as Error).message}`)
  }
}

start()

// SPDX-License-Identifier: GPL-2.0-or-later
import './style.css'
import { readDocument } from './documents.ts'
import { Shell } from './shell.ts'

/** A report carries its data; without any, the first screen asks for a file. */
function start(): void {
  const data = document.getElementById('lastput-data')
  const shell = new Shell(document.body)
  if (!data) {
    shell.welcome()
    return
  }
  try {
    shell.open(readDocument(JSON.parse(data.textContent)))
  } catch (error) {
    shell.fail(`this report cannot be read: ${(error as Error).message}`)
  }
}

start()

// SPDX-License-Identifier: GPL-2.0-or-later
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { ViewerBundle } from '../report/html.ts'

/** Folder of the built viewer, beside the compiled sources. */
export const VIEWER_FOLDER = fileURLToPath(new URL('../web/', import.meta.url))

/**
 * Returns the script of the worker that reads recordings for the page.
 * @throws an error of the file system
 */
export function viewerWorker(): string {
  return readFileSync(`${VIEWER_FOLDER}worker.js`, 'utf8')
}

/**
 * Returns the built viewer.
 * @throws an error of the file system if it has not been built
 */
export function viewerBundle(): ViewerBundle {
  return {
    script: readFileSync(`${VIEWER_FOLDER}viewer.js`, 'utf8'),
    style: readFileSync(`${VIEWER_FOLDER}viewer.css`, 'utf8'),
  }
}

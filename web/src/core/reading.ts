// SPDX-License-Identifier: GPL-2.0-or-later
/** Opens memory dumps in the browser, in a worker. */
import { tooLargeToShow } from '../../../src/report/core-words.ts'
import type { Reply, Request } from '../messages.ts'
import { type Progress, startWorker } from '../recording.ts'
import { type CoreDocument, readCore } from './document.ts'

/** Opens a dump. @throws Error with the reader's message if the dump cannot be used */
export async function openDumpBlob(
  name: string,
  blob: Blob,
  onProgress: (progress: Progress) => void,
): Promise<CoreDocument> {
  const tooLarge = tooLargeToShow(name, blob.size)
  if (tooLarge !== undefined) throw new Error(tooLarge)
  const worker = startWorker()
  try {
    return await new Promise<CoreDocument>((resolve, reject) => {
      worker.onerror = event => reject(new Error(event.message || 'the reader could not be started'))
      worker.onmessage = ({ data }: MessageEvent<Reply>) => {
        if (data.say === 'examining') onProgress(data)
        if (data.say === 'failed') reject(new Error(data.message))
        if (data.say === 'examined') resolve(readCore(data.core))
      }
      worker.postMessage({ ask: 'examine', name, blob } satisfies Request)
    })
  } finally {
    worker.terminate()
  }
}

// SPDX-License-Identifier: GPL-2.0-or-later
// No global of JavaScript is replaced: what runs in one call cannot change what another finds.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')

/** Assignments to a member of a global, and ways round them. */
const REPLACES =
  /\b(?:globalThis|Math|Date|process|Error|Object|Array|console|performance|Promise|JSON)\.(\w+)\s*=(?![=>])|\b(?:defineProperty|deleteProperty|assign)\((?:globalThis|Math|Date|process|Error)\b/

/** What a process or a thread that is ours alone says of itself once, at its start. */
const ONCE: Readonly<Record<string, readonly string[]>> = {
  'node/model-realm.ts': [
    'Math.random',
    'Date.now',
    'globalThis.Date',
    'performance.now',
    'process.hrtime',
    'process.exit',
    'globalThis.console',
  ],
  'cli/main.ts': ['Error.stackTraceLimit', 'process.exitCode'],
  'cli/model-worker.ts': ['Error.stackTraceLimit'],
  'cli/matrix-worker.ts': ['Error.stackTraceLimit'],
}

/** Texts and comments speak of globals too. */
function code(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '')
}

test('globals are as they were, but for exit codes and threads that are ours alone', () => {
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter(f => f.endsWith('.ts'))
  expect(sources.length).toBeGreaterThan(100)
  for (const file of sources)
    for (const line of code(readFileSync(join(root, 'src', file), 'utf8')).split('\n')) {
      const found = REPLACES.exec(line)?.[0].replace(/\s*=$/, '')
      if (found === undefined || found === 'process.exitCode') continue
      expect(ONCE[file] ?? [], `${file}: ${line.trim()}`).toContain(found)
    }
})

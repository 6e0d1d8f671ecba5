// SPDX-License-Identifier: GPL-2.0-or-later
import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { defineConfig, type Plugin } from 'vite'

const root = import.meta.dirname
const out = join(root, '../dist/web')

/** The recordings that the first screen offers. */
const examples: Plugin = {
  name: 'examples',
  closeBundle() {
    mkdirSync(join(out, 'examples'), { recursive: true })
    copyFileSync(join(root, '../examples/leak-6.12/trace.dat'), join(out, 'examples/leak-6.12.dat'))
  },
}

// One script and one style sheet with fixed names, so that src/report/html.ts can put them into a file; the worker apart.
export default defineConfig({
  root,
  base: './',
  logLevel: 'warn',
  plugins: [examples],
  build: {
    outDir: out,
    emptyOutDir: true,
    target: 'es2023',
    modulePreload: { polyfill: false },
    cssCodeSplit: false,
    assetsInlineLimit: 0,
    rolldownOptions: {
      output: { codeSplitting: false, entryFileNames: 'viewer.js', assetFileNames: 'viewer[extname]' },
    },
  },
  worker: {
    format: 'es',
    rolldownOptions: { output: { codeSplitting: false, entryFileNames: 'worker.js' } },
  },
})

// SPDX-License-Identifier: GPL-2.0-or-later
import { copyFileSync, existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { defineConfig, type Plugin } from 'vite'

const root = import.meta.dirname
const out = join(root, '../dist/web')

const from = join(root, '../examples')

/** What the first screen offers: each recording under its folder's name, and the results. */
const examples: Plugin = {
  name: 'examples',
  closeBundle() {
    mkdirSync(join(out, 'examples'), { recursive: true })
    for (const folder of readdirSync(from)) {
      const recording = join(from, folder, 'trace.dat')
      if (existsSync(recording)) copyFileSync(recording, join(out, `examples/${folder}.dat`))
    }
    for (const file of readdirSync(join(from, 'results')))
      copyFileSync(join(from, 'results', file), join(out, 'examples', file))
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
    // A report on disk starts it from a blob, which browsers take for no module.
    format: 'iife',
    rolldownOptions: { output: { codeSplitting: false, entryFileNames: 'worker.js' } },
  },
})

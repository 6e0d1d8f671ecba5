// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * The commands that read recordings and memory are put into few files, in the place of what tsc wrote: Node takes longer to
 * find and compile 80 modules than to account for a small recording. What runs users' models stays as it is, one file a
 * module: their imports of lastput have to be the very modules that the checker uses.
 */
import { copyFileSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { defineConfig, type Plugin } from 'vite'

const root = import.meta.dirname
// Beside what it replaces, for ../web and ../../package.json are found from there.
const out = join(root, 'dist/cli')
const MODELS = /^\.\/(check|run|explain)\.ts$/

const modelsApart: Plugin = {
  name: 'models-apart',
  enforce: 'pre',
  resolveId: name => (MODELS.test(name) ? { id: name.replace(/ts$/, 'js'), external: true } : undefined),
}

/** The names of parts change from one build to the next. */
const oldPartsGone: Plugin = {
  name: 'old-parts-gone',
  buildStart() {
    for (const file of readdirSync(out)) if (file.startsWith('part-')) rmSync(join(out, file))
  },
}

/** The script that records is run as it is. */
const recordScript: Plugin = {
  name: 'record-script',
  writeBundle() {
    mkdirSync(join(root, 'dist/record'), { recursive: true })
    copyFileSync(join(root, 'src/record/record.sh'), join(root, 'dist/record/record.sh'))
  },
}

export default defineConfig({
  root,
  logLevel: 'warn',
  plugins: [modelsApart, oldPartsGone, recordScript],
  build: {
    outDir: out,
    emptyOutDir: false,
    ssr: true,
    target: 'node20',
    minify: false,
    sourcemap: true,
    rolldownOptions: {
      input: { main: join(root, 'src/cli/main.ts'), 'decode-worker': join(root, 'src/node/decode-worker.ts') },
      output: { entryFileNames: '[name].js', chunkFileNames: 'part-[name].js' },
    },
  },
})

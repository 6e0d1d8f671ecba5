// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * `npm run wasm`: compiles the loops in assembly/ to WebAssembly, each into the module of src/ that `LOOPS` names. The
 * modules are in the repository, so that nobody needs the compiler who changes nothing there.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import asc from 'assemblyscript/asc'
import { MAX_PAGES } from '../src/util/wasm.ts'

/** The loops: source, the module that it becomes, and whether its memory is a shared one or that of another module. */
export const LOOPS = [
  { source: 'assembly/hot-loop.ts', target: 'src/ledger/track/hot-loop.wasm.ts', isShared: true },
  { source: 'assembly/column-walk.ts', target: 'src/trace/tracedat/column-walk.wasm.ts', isShared: false },
] as const

/** Compiles a source, and returns the text of its module. */
export async function compiled(source: string): Promise<string> {
  const files = new Map<string, Uint8Array | string>()
  const options = ['--outFile', 'out.wasm', '-O3', '--noAssert', '--runtime', 'stub', '--use', 'abort=']
  const { isShared } = LOOPS.find(loop => loop.source === source)!
  const shared = ['--sharedMemory', '--initialMemory', '1', '--maximumMemory', `${MAX_PAGES}`]
  const memory = ['--importMemory', ...(isShared ? shared : [])]
  const features = ['--enable', 'threads', '--memoryBase', '4096']
  const { error, stderr } = await asc.main([source, ...options, ...memory, ...features], {
    readFile: name => (existsSync(name) ? readFileSync(name, 'utf8') : null),
    writeFile: (name, contents) => {
      files.set(name, contents)
    },
    listFiles: () => [],
  })
  if (error) throw new Error(`${source}: ${error.message}\n${stderr.toString()}`)
  const bytes = Buffer.from(files.get('out.wasm') as Uint8Array)
  return [
    '// SPDX-License-Identifier: GPL-2.0-or-later',
    `/** ${source} in WebAssembly, in base64: made by \`npm run wasm\`. */`,
    `export const WASM =\n  '${bytes.toString('base64')}'\n`,
  ].join('\n')
}

async function main(): Promise<void> {
  for (const { source, target } of LOOPS) writeFileSync(target, await compiled(source))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()

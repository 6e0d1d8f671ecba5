// SPDX-License-Identifier: GPL-2.0-or-later
// The package as a user gets it: built, packed, unpacked into a stranger's node_modules, imported, type-checked and run.
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { afterAll, beforeAll, expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  name: string
  version: string
  bin: Record<string, string>
  exports: Record<string, unknown>
  dependencies: Record<string, string>
}
const tsc = join(root, 'node_modules/typescript/bin/tsc')
const entries = Object.keys(manifest.exports)
  .filter(entry => entry !== './package.json')
  .map(entry => entry.replace('.', manifest.name))
let stranger: string
let installed: string

beforeAll(() => {
  stranger = mkdtempSync(join(tmpdir(), 'lastput-package-'))
  const built = join(stranger, 'built')
  // A build of its own: `dist` may be stale, or in use by another test.
  execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', join(built, 'dist')], { cwd: root })
  for (const file of ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md', 'docs', 'examples']) {
    cpSync(join(root, file), join(built, file), { recursive: true })
  }
  const [packed] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--ignore-scripts'], { cwd: built, encoding: 'utf8', stdio: 'pipe' }),
  ) as [{ filename: string }]
  installed = join(stranger, 'node_modules', manifest.name)
  mkdirSync(installed, { recursive: true })
  execFileSync('tar', ['-xzf', join(built, packed.filename), '-C', installed, '--strip-components=1'])
  for (const dependency of Object.keys(manifest.dependencies)) {
    const link = join(stranger, 'node_modules', dependency)
    // A dependency may have a scope.
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(join(root, 'node_modules', dependency), link)
  }
  writeFileSync(join(stranger, 'package.json'), '{"type":"module"}')
})
afterAll(() => rmSync(stranger, { recursive: true, force: true }))

test('publint has nothing to say', async () => {
  const { messages, pkg } = await publint({ pkgDir: installed, strict: true, pack: false })
  expect(messages.map(message => formatMessage(message, pkg, { color: false }))).toEqual([])
})

test.each(entries)('%s can be imported', entry => {
  const code = `const all = await import('${entry}'); console.log(Object.keys(all).length)`
  const out = execFileSync(process.execPath, ['--input-type=module', '-e', code], { cwd: stranger, encoding: 'utf8' })
  expect(Number(out)).toBeGreaterThan(0)
})

test('every entry has types that a strict program can use', () => {
  const imports = entries.map(
    (entry, i) => `import * as entry${i} from '${entry}'\nexport const keep${i} = entry${i}\n`,
  )
  writeFileSync(join(stranger, 'main.ts'), imports.join(''))
  const options = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2022', '--lib', 'es2023,dom']
  const run = spawnSync(process.execPath, [tsc, ...options, '--types', '', 'main.ts'], {
    cwd: stranger,
    encoding: 'utf8',
  })
  expect(run.stdout + run.stderr).toBe('')
})

test.each(Object.entries(manifest.bin))('the command %s starts', (_, file) => {
  const path = join(installed, file)
  expect(readFileSync(path, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/)
  expect(execFileSync(process.execPath, [path, '--version'], { encoding: 'utf8' }).trim()).toBe(manifest.version)
})

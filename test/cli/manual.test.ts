// SPDX-License-Identifier: GPL-2.0-or-later
// What shells complete, asked of the shells themselves, and the man page.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { program } from '../../testkit/data.ts'
import { needs } from '../support/needs.ts'
import { root } from '../web/built.ts'

const script = (shell: string) => {
  const { status, stdout } = spawnSync(process.execPath, [join(root, 'dist/cli/main.js'), 'completion', shell], {
    encoding: 'utf8',
  })
  expect(status).toBe(0)
  return stdout
}

/** What bash offers after these words, the last of which is begun. */
function offered(...words: string[]): string[] {
  const ask = `COMP_WORDS=(${words.map(word => `"${word}"`).join(' ')}); COMP_CWORD=${words.length - 1}; _lastput; printf '%s\\n' "\${COMPREPLY[@]}"`
  const { stdout, stderr } = spawnSync('bash', ['-c', `${script('bash')}\n${ask}`], { cwd: root, encoding: 'utf8' })
  expect(stderr).toBe('')
  return stdout.trim().split('\n')
}

needs(program('bash')).describe('bash completes', () => {
  it('commands', () => {
    expect(offered('lastput', 'l')).toEqual(['life'])
    expect(offered('lastput', '')).toEqual(expect.arrayContaining(['trace', 'check', 'completion', '--version']))
  })

  it('the options of a command', () => {
    expect(offered('lastput', 'who', '--p')).toEqual(['--protocol', '--pfn', '--pagemap'])
    expect(offered('lastput', 'trace', 'trace.dat', '--par')).toEqual(['--parquet'])
  })

  it('what an option takes, with whatever characters', () => {
    expect(offered('lastput', 'trace', '--protocol', 'C')).toEqual(['C', "C'"])
    expect(offered('lastput', 'completion', 'f')).toEqual(['fish'])
  })

  it('files', () => {
    expect(offered('lastput', 'trace', 'examples/leak-6')).toEqual(['examples/leak-6.12'])
    expect(offered('lastput', 'trace', '--kallsyms', 'package.j')).toEqual(['package.json'])
  })
})

describe.each(['zsh', 'fish'])('%s', shell => {
  needs(program(shell)).test('takes the script', () => {
    // From a file: fish cannot read the kind of pipe that Node makes.
    const file = join(mkdtempSync(join(tmpdir(), 'lastput-completion-')), shell)
    writeFileSync(file, script(shell))
    const run = spawnSync(shell, [shell === 'fish' ? '--no-execute' : '-n', file], { encoding: 'utf8' })
    rmSync(dirname(file), { recursive: true })
    expect([run.status, run.stderr]).toEqual([0, ''])
  })

  it('has every command', () => {
    for (const command of ['trace', 'check', 'core']) expect(script(shell)).toContain(command)
  })
})

describe('the man page', () => {
  const page = readFileSync(join(root, 'dist/lastput.1'), 'utf8')

  it('has every command and option, and no line that begins a request by chance', () => {
    expect(page).toMatch(/^\.SS lastput check/m)
    expect(page).toContain('\\-\\-parquet <folder>')
    for (const [request] of page.matchAll(/^[.']\w*/gm)) expect(request).toMatch(/^\.(TH|SH|SS|TP|PP|B|I|nf|fi)$/)
  })

  it('is the one that the package installs', () => {
    const { man, files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    expect(existsSync(join(root, man))).toBe(true)
    expect(files).toContain(man.split('/')[0])
  })
})

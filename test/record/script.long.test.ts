// SPDX-License-Identifier: GPL-2.0-or-later
// The script that records, in a folder that looks like tracefs: what it chooses and makes, and that nothing stays, whatever ends it.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type RecordSettings, recordScript } from '../../src/record/script.ts'
import { program, run } from '../../testkit/data.ts'
import { type FakeKernel, FakeTracefs, FUNCTIONS, VMEMMAP } from '../../testkit/fake-tracefs.ts'
import { needs } from '../support/needs.ts'

const body = readFileSync(join(import.meta.dirname, '../../src/record/record.sh'), 'utf8')
const DEFAULTS: RecordSettings = {
  pages: [],
  resource: undefined,
  pagemap: undefined,
  means: 'auto',
  alloc: undefined,
  free: undefined,
  by: 'tracefs',
  out: '',
  seconds: undefined,
  kib: undefined,
  buffer: 64,
  turn: 1,
  vmemmap: undefined,
  sample: undefined,
}

const PERF = `for word; do [ "$word" != -h ] || exit 129; done
echo "$@" >> "$FAKE_TRACEFS/../perf.log"
while [ $# -gt 1 ]; do [ "$1" = -o ] && out=$2; shift; done
mkdir "$out"; echo > "$out/data"
trap 'exit 0' INT TERM
while :; do sleep 0.1; done`
/** A shell cannot catch what it was started to ignore, as programs in the background are; trace-cmd does. */
const TRACE_CMD = `#!${process.execPath}
const { writeFileSync } = require('node:fs')
const { mkdirSync, rmSync } = require('node:fs')
const instance = process.env.FAKE_TRACEFS + '/instances/lastput'
writeFileSync(process.env.FAKE_TRACEFS + '/../trace-cmd.log', process.argv.slice(2).join(' '))
mkdirSync(instance)
writeFileSync(instance + '/set_event', 'lastput:*')
writeFileSync(instance + '/tracing_on', '1')
process.on('SIGINT', () => {
  rmSync(instance, { recursive: true })
  process.exit(0)
})
setInterval(() => undefined, 1000)
`
/** One that can be asked, and answers after a while. */
const ASKED_PERF = `for word; do [ "$word" != -h ] || { echo '--control <fd:ctl-fd or fifo:ctl-fifo[,ack-fifo]>'; exit 129; }; done
for word; do case $word in --control=fifo:*) fifos=\${word#--control=fifo:};; esac; done
while [ $# -gt 1 ]; do [ "$1" = -o ] && out=$2; shift; done
mkdir "$out"; echo > "$out/data"
trap 'exit 0' INT TERM
exec 8<> "\${fifos%,*}" 9<> "\${fifos#*,}"
read -r question <&8
sleep 3
touch "$FAKE_TRACEFS/../enabled"
[ "$question" = ping ] && echo ack >&9
while :; do sleep 0.1; done`
const DYING_PERF = 'sleep 0.5; exit 1'

let kernel: FakeTracefs
const made: FakeTracefs[] = []
const children: ChildProcess[] = []

function use(options: FakeKernel = {}): FakeTracefs {
  kernel = new FakeTracefs(options)
  made.push(kernel)
  return kernel
}
const out = () => join(kernel.folder, 'out')

interface Ended {
  code: number | null
  said: string
}

class Run {
  readonly child: ChildProcess
  said = ''
  readonly #ended: Promise<unknown[]>

  constructor(settings: Partial<RecordSettings>, words: string[] = [], shell = 'sh') {
    const script = recordScript({ ...DEFAULTS, out: out(), ...settings }, body)
    this.child = spawn(shell, ['-c', script, 'record', ...words], {
      env: kernel.env,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    children.push(this.child)
    this.child.stderr!.on('data', text => (this.said += text))
    this.#ended = once(this.child, 'close')
  }

  async end(): Promise<Ended> {
    const [code] = await this.#ended
    return { code: code as number | null, said: this.said }
  }

  /** Waits until it says something, or something stands in the folder. */
  async until(is: () => boolean): Promise<void> {
    for (let i = 0; i < 200 && !is(); i++) await new Promise(resolve => setTimeout(resolve, 50))
    expect(is(), this.said).toBe(true)
  }
}

const recordIt = (settings: Partial<RecordSettings>, words: string[] = [], shell = 'sh') =>
  new Run(settings, words, shell).end()

function expectClean(): void {
  expect(kernel.instances).toEqual([])
  expect(kernel.probes).toEqual([])
}

beforeEach(() => use())
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  for (const each of made.splice(0)) each.remove()
})

needs(program('shellcheck')).test('shellcheck finds nothing', () => {
  const settings = { ...DEFAULTS, pages: [{ first: 16, last: 31 }], resource: "nouveau's" }
  const input = Buffer.from(recordScript(settings, body))
  expect(run('shellcheck', ['-s', 'sh', '-'], { input })).toBe('')
})

test('settings mean themselves, whatever is in them', async () => {
  const { code, said } = await recordIt({ resource: `'; touch ${out()}; echo '`, means: 'probes' }, ['--check'])
  expect({ code, isThere: existsSync(out()) }, said).toEqual({ code: 0, isThere: false })
})

describe('what it chooses', () => {
  const check = async (options: FakeKernel, settings: Partial<RecordSettings> = {}) => {
    use(options)
    const { code, said } = await recordIt(settings, ['--check'])
    expectClean()
    expect(kernel.written).toEqual([])
    return code === 0 ? said : `${code} ${said}`
  }
  const pages = [{ first: 16, last: 17 }]

  test('counts where the kernel has them', async () => {
    expect(await check({ counts: true })).toMatch(/recording every change of the counts of all pages/)
  })

  test('probes where it has no counts; of a few pages, their counts by perf', async () => {
    const programs = { perf: PERF }
    expect(await check({ programs })).toMatch(/recording hand-outs and returns of all device pages/)
    expect(await check({ programs }, { pages })).toMatch(/watching the counts of pages 0x10-0x11 by debug registers/)
    expect(await check({}, { pages })).toMatch(/recording hand-outs and returns of pages 0x10-0x11/)
  })

  test('functions that are named take the place of those of the core', async () => {
    const functions = ['memunmap_pages']
    expect(await check({ functions }, { alloc: 'drv:drv_take', free: 'drv_free' })).toMatch(
      /drv:drv_take\(\) and drv_free\(\) can be probed/,
    )
  })

  test('nothing where there is nothing', async () => {
    expect(await check({ kprobes: false })).toMatch(/^2 .*nothing that can be recorded/s)
    expect(await check({ functions: ['memunmap_pages'] })).toMatch(/^2 .*nothing that can be recorded/s)
  })

  test('more pages than registers: what that can show is said', async () => {
    const many = { means: 'watch', pages: [{ first: 16, last: 31 }] } as const
    expect(await check({ programs: { perf: PERF } }, many)).toMatch(/16 pages: four at a time.*cannot show/)
  })

  test('a sample of the pages, spread over their ranges', async () => {
    const perf = { programs: { perf: PERF } }
    const two = [
      { first: 16, last: 31 },
      { first: 64, last: 67 },
    ]
    const said = await check(perf, { means: 'watch', sample: 4, pages: two })
    // Of 20 pages the 3rd, 8th, 13th and 18th, counted from zero.
    expect(said).toMatch(/pages 0x12-0x12 0x17-0x17 0x1c-0x1c 0x41-0x41 by/)
    expect(said).toMatch(/these are 4 of 20 pages: .* on another page is not/)
    const six = await check(perf, { means: 'watch', sample: 6, pages: two })
    expect(six).toMatch(/these are 6 of 20 pages.*these are 6 pages: four at a time/s)
    const all = await check(perf, { means: 'watch', sample: 30, pages: two })
    expect(all).toMatch(/pages 0x10-0x1f 0x40-0x43 by/)
    expect(all).not.toContain(' of 20 pages')
  })

  test('on arm64, where struct pages begin has to be said', async () => {
    const arm = { programs: { uname: 'echo aarch64', perf: PERF }, functions: FUNCTIONS.slice(0, 4) }
    expect(await check(arm)).toMatch(/^2 .*must be named by --vmemmap on aarch64.*nothing that can be recorded/s)
    expect(await check(arm, { vmemmap: VMEMMAP })).toMatch(/recording hand-outs and returns of all device pages/)
    const other = { ...arm, programs: { uname: 'echo s390x' } }
    expect(await check(other, { vmemmap: VMEMMAP })).toMatch(/^2 .*nothing that can be recorded/s)
  })

  test('the pages of a driver, and of a pagemap', async () => {
    const iomem =
      '100000000-1ffffffff : System RAM\nfcf0000000-fcffffffff : hmm\n  fcf8000000-fcf800ffff : hmm_dmirror\n'
    expect(await check({ iomem }, { resource: 'dmirror' })).toMatch(/of pages 0xfcf8000-0xfcf800f,/)
    expect(await check({ iomem }, { pagemap: 0xfcf8001 })).toMatch(/of pages 0xfcf8000-0xfcf800f,/)
    expect(await check({ iomem }, { pagemap: 0xfcf0001 })).toMatch(/of pages 0xfcf0000-0xfcfffff,/)
    expect(await check({ iomem }, { pagemap: 1 })).toMatch(/^2 .*no range of \/proc\/iomem has page 0x1/s)
    expect(await check({ iomem, counts: true }, { resource: 'nouveau' })).toMatch(/^2 .*nothing named 'nouveau'/s)
  })
})

/** A shell of busybox takes its own programs before those of the fake: lab/stock tries it in a guest. */
const shells = ['sh', 'bash']
describe.each(shells)('%s', shell => {
  const here = needs(shell === 'sh' ? undefined : program(shell))

  here.test('probes through tracefs, while a command runs', async () => {
    const { code, said } = await recordIt({ means: 'probes' }, ['sleep', '1'], shell)
    expect(code, said).toBe(0)
    expect(kernel.written.slice(0, 4)).toEqual([
      'p:lastput/lastput_alloc zone_device_page_init page=%di vmemmap=@vmemmap_base',
      'p:lastput/lastput_free free_zone_device_folio page=%di vmemmap=@vmemmap_base',
      'p:lastput/lastput_memunmap memunmap_pages start=pgmap->range.start end=pgmap->range.end',
      'r:lastput/lastput_memunmap_end memunmap_pages',
    ])
    expect(readFileSync(join(out(), 'trace.txt'), 'utf8')).toContain('lastput_alloc: ')
    expect(readFileSync(join(out(), 'kallsyms.txt'), 'utf8')).toContain('drv_take')
    expect(said).toMatch(/the command has ended\n.*now: lastput trace .*trace\.txt --kallsyms/)
  })

  here.test('says which pages are device memory, as the recording may not', async () => {
    use({ iomem: 'fcf8000000-fcf800ffff : hmm_dmirror\n' })
    const { code, said } = await recordIt({ means: 'probes', resource: 'dmirror' }, ['true'], shell)
    expect(code, said).toBe(0)
    expect(said).toMatch(/now: lastput trace .* --device 0xfcf8000-0xfcf800f$/m)
  })

  here.test('counts of some pages, for a time', async () => {
    use({ counts: true })
    // Long enough for a busy machine to be seen recording.
    const running = new Run({ pages: [{ first: 16, last: 31 }], seconds: 5 }, [], shell)
    await running.until(() => kernel.instance('tracing_on') === '1\n')
    expect(kernel.instance('events/page_ref/filter')).toBe('(pfn >= 0x10 && pfn <= 0x1f)')
    // 0xffffea0000000000 + 64 * pfn
    const filter = '(page >= 0xffffea0000000400 && page <= 0xffffea00000007c0)'
    expect(kernel.instance('events/lastput/lastput_free/filter')).toBe(filter)
    expect(kernel.instance('options/stacktrace')).toBe('1\n')
    const { code, said } = await running.end()
    expect(code, said).toBe(0)
    expect(said).toContain('5 s are over')
  })

  here.test('watches by perf, four pages in a turn', async () => {
    use({ programs: { perf: PERF } })
    const { code, said } = await recordIt({ means: 'watch', pages: [{ first: 16, last: 20 }], seconds: 4 }, [], shell)
    expect(code, said).toBe(0)
    const [first, second] = readFileSync(join(kernel.folder, 'perf.log'), 'utf8').split('\n') as [string, string]
    expect(first).toMatch(/^record --kcore -a -g --intr-regs=ax,bx,.* -o .*perf-1\.data$/)
    // 0xffffea0000000000 + 64 * pfn + 0x34
    const events = (line: string) => [...line.matchAll(/-e (\S+)/g)].map(([, event]) => event)
    expect(events(first)).toEqual(['434', '474', '4b4', '4f4'].map(end => `mem:0xffffea0000000${end}/4:w`))
    expect(events(second)).toEqual(['mem:0xffffea0000000534/4:w'])
  })

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    here.test(`${signal} ends it well`, async () => {
      const running = new Run({ means: 'probes' }, [], shell)
      await running.until(() => running.said.includes('Ctrl-C'))
      expect(kernel.probes).toHaveLength(4)
      running.child.kill(signal)
      const { code, said } = await running.end()
      expect(code, said).toBe(0)
      expect(said).toContain('stopped by a signal')
    })
})
afterEach(expectClean)

describe('on arm64', () => {
  const arm = { programs: { uname: 'echo aarch64', perf: PERF }, functions: FUNCTIONS.slice(0, 4) }

  test('the first argument is in x0', async () => {
    use(arm)
    const { code, said } = await recordIt({ means: 'probes', vmemmap: VMEMMAP }, ['true'])
    expect(code, said).toBe(0)
    expect(kernel.written[0]).toBe(`p:lastput/lastput_alloc zone_device_page_init page=%x0 vmemmap=\\${VMEMMAP}`)
  })

  test('perf records its registers', async () => {
    use(arm)
    await recordIt({ means: 'watch', pages: [{ first: 16, last: 16 }], seconds: 1, vmemmap: VMEMMAP })
    const args = readFileSync(join(kernel.folder, 'perf.log'), 'utf8')
    expect(args).toMatch(/--intr-regs=x0,x1,.*,x29 -e mem:0xffffea0000000434\/4:w/)
  })

  test('counts are recorded, without probes where struct pages are not known', async () => {
    use({ ...arm, counts: true })
    const { code, said } = await recordIt({ means: 'counts' }, ['true'])
    expect({ code, said }).toMatchObject({
      code: 0,
      said: expect.stringContaining('hand-outs and returns are not recorded'),
    })
    expect(kernel.written.some(line => line.startsWith('p:lastput/lastput_alloc'))).toBe(false)
  })
})

test('the size of the recording ends it', async () => {
  const { code, said } = await recordIt({ means: 'probes', kib: 1 })
  expect(code, said).toBe(0)
  expect(said).toContain('the recording has 1 KiB')
})

test('a recorder that dies is told, and exit code 1', async () => {
  use({ programs: { perf: DYING_PERF } })
  const { code, said } = await recordIt({ means: 'watch', pages: [{ first: 16, last: 16 }] })
  expect({ code, said }).toMatchObject({ code: 1, said: expect.stringContaining('the recorder ended by itself') })
})

test('the command waits until perf says that it records', async () => {
  use({ programs: { perf: ASKED_PERF } })
  const settings = { means: 'watch', pages: [{ first: 16, last: 16 }] } as const
  const { code, said } = await recordIt(settings, [
    'sh',
    '-c',
    `[ -e ${kernel.folder}/enabled ] && touch ${out()}/late`,
  ])
  expect(code, said).toBe(0)
  expect(readdirSync(out()).filter(name => !/^perf\.data$|^recorder\.log$|^counts\.txt$/.test(name))).toEqual(['late'])
})

test('trace-cmd where it is installed', async () => {
  use({ counts: true, programs: { 'trace-cmd': TRACE_CMD } })
  const { code, said } = await recordIt({ by: 'auto', pages: [{ first: 16, last: 31 }], seconds: 1 })
  expect(code, said).toBe(0)
  const args = readFileSync(join(kernel.folder, 'trace-cmd.log'), 'utf8')
  expect(args).toMatch(
    /^record -B lastput -T -b 64 -o \S+trace\.dat -e page_ref:page_ref_set -f \(pfn >= 0x10 && pfn <= 0x1f\)/,
  )
  expect(args.match(/-e page_ref:/g)).toHaveLength(7)
})

test('after a SIGKILL its guard removes what it made', async () => {
  const running = new Run({ means: 'probes' })
  await running.until(() => running.said.includes('Ctrl-C'))
  running.child.kill('SIGKILL')
  await running.until(() => kernel.instances.length === 0 && kernel.probes.length === 0)
  expect(running.said).toContain('it was killed')
})

test('where something was left, another run refuses, and --clean removes it', async () => {
  const running = new Run({ means: 'probes' })
  await running.until(() => running.said.includes('Ctrl-C'))
  const other = { means: 'probes', out: join(kernel.folder, 'other') } as const
  expect(await recordIt(other)).toMatchObject({ code: 2, said: expect.stringContaining('--clean') })
  // Who only asks takes nothing away from a recording that runs either.
  await recordIt(other, ['--check'])
  expect(kernel.instances).toEqual(['lastput'])
  expect(kernel.probes).toHaveLength(4)
  expect(await recordIt({}, ['--clean'])).toMatchObject({ code: 0 })
  expectClean()
  // It has lost what it read from.
  expect((await running.end()).code).toBe(1)
})

test('what cannot be made is said, and what was made before is removed', async () => {
  const { code, said } = await recordIt({ means: 'probes', out: join(kernel.folder, 'no/such/folder') })
  expect({ code, said }).toMatchObject({ code: 2, said: expect.stringContaining('must not be there') })
})

test('whoever started it is gone: it stops', async () => {
  const gone = spawn(process.execPath, ['-e', '0'])
  await once(gone, 'close')
  const script = recordScript({ ...DEFAULTS, out: out(), means: 'probes' }, body)
  const child = spawn('sh', ['-c', script, 'record'], {
    env: { ...kernel.env, LASTPUT_PARENT: String(gone.pid) },
    stdio: 'ignore',
  })
  const [code] = await once(child, 'close')
  expect(code).toBe(0)
})

describe('docs/recording.md shows what the script does', () => {
  const document = readFileSync(join(import.meta.dirname, '../../docs/recording.md'), 'utf8')

  test('its probes', async () => {
    await recordIt({ means: 'probes' }, ['true'])
    const made = kernel.written.filter(line => !line.startsWith('-:'))
    expect(made).toHaveLength(4)
    for (const line of made) expect(document).toContain(`echo '${line}' >> kprobe_events`)
  })

  test('its events for trace-cmd, and its filter', async () => {
    use({ counts: true, programs: { 'trace-cmd': TRACE_CMD } })
    await recordIt({ by: 'trace-cmd', pages: [{ first: 16, last: 31 }], seconds: 1 })
    const args = readFileSync(join(kernel.folder, 'trace-cmd.log'), 'utf8')
    const events = [...args.matchAll(/page_ref:page_ref_(\w+)/g)].map(([, name]) => name)
    expect(document).toContain(`for e in ${events.join(' ')}; do`)
  })

  test('its perf', async () => {
    use({ programs: { perf: PERF } })
    await recordIt({ means: 'watch', pages: [{ first: 16, last: 16 }], seconds: 1 })
    const args = readFileSync(join(kernel.folder, 'perf.log'), 'utf8').split('\n')[0]!
    const shown = args.replace(/mem:0x[0-9a-f]+/, 'mem:ADDRESS').replace(/-o \S+/, '-o perf.data')
    expect(document).toContain(`\nperf ${shown}\n`)
  })
})

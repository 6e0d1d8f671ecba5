// SPDX-License-Identifier: GPL-2.0-or-later
// One page's lifetimes: all of its events, who holds it, in 80 columns, and in the shape of the schema.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { expect, test } from 'vitest'
import { account, whoHolds } from '../../src/ledger/account.ts'
import { nodeCodecs } from '../../src/node/codecs.ts'
import { lifeJson, lifeText, pageLives } from '../../src/report/life.ts'
import { BytesSource } from '../../src/trace/common/bytes.ts'
import { openRecording } from '../../src/trace/open.ts'
import { collect } from '../support/collect.ts'

const root = join(import.meta.dirname, '../..')
const schemaOf = (name: string) => JSON.parse(readFileSync(join(root, 'docs/schema', name), 'utf8'))
const ajv = new Ajv2020({ strict: true, strictTypes: false, allErrors: true })
ajv.addSchema(schemaOf('lastput.trace-3.schema.json'))
const validate = ajv.compile(schemaOf('lastput.life-1.schema.json'))

const open = (example: string) =>
  openRecording(new BytesSource(example, readFileSync(join(root, 'examples', example, 'trace.dat'))), {
    codecs: nodeCodecs,
  })

const LEAKED = 0xfcf83fc

test('of the leaked page: every event, with a letter for each reference', async () => {
  const lives = (await pageLives(await open('leak-6.12'), LEAKED, {}))!
  const text = lifeText(lives, 1).join('\n')
  expect(text).toMatch(/^page 0xfcf83fc: 5 lifetimes, count 0 while idle\n4 earlier not shown: --top shows more/)
  expect(text).toMatch(/lifetime 5: 7 events, open at the end\n {2}time +count {2}holders {2}change {2}who\n/)
  expect(text).toContain('  5.966999      4  ABCD     +1 D    zdbug_bug_leak_get+0x30 insmod-105\n')
  expect(text).toMatch(/ {2}5\.967505 {6}1 {2}D {8}-1 A {4}zdbug_release\+0xb7 insmod-105\n {2}held by D$/)
  const { events } = await collect(await open('leak-6.12'))
  const count = lives.lifetimes.reduce((sum, { events }) => sum + events.length, 0)
  // But for the two sets of memremap_pages(), which hand the page to nobody.
  expect(count).toBe(events.filter(({ pfn }) => pfn === LEAKED).length - 2)
  expect(text + lifeText(lives, 10)).not.toContain('memmap_init_zone_device')
})

test.each(['leak-6.12', 'dax-6.12', 'race-5.10', 'surplus-put-5.10'])('of pages of %s', async example => {
  const { events } = await collect(await open(example))
  const pages = [...new Set(events.map(({ pfn }) => pfn))]
  for (const pfn of [pages[0]!, pages[pages.length >> 1]!, pages.at(-1)!]) {
    const lives = (await pageLives(await open(example), pfn, {}))!
    const json = JSON.parse(JSON.stringify(lifeJson(lives)))
    expect(validate(json) ? [] : validate.errors).toEqual([])
    for (const line of lifeText(lives, 1000)) expect(line.length).toBeLessThanOrEqual(80)
    for (const { events } of lives.lifetimes)
      for (const [i, { partner }] of events.entries()) if (partner !== null) expect(events[partner]!.partner).toBe(i)
  }
})

test('whoever holds the page at the end is whom lastput who names', async () => {
  const lives = (await pageLives(await open('leak-6.12'), LEAKED, {}))!
  const { pages } = await whoHolds(await open('leak-6.12'), [{ first: LEAKED, last: LEAKED }], Infinity)
  const last = lives.lifetimes.at(-1)!.events
  const out = last.filter(({ val, partner }) => val > 0 && partner === null)
  expect(out.map(event => event.function)).toEqual(pages[0]!.holders.map(({ actor }) => actor?.frame?.name))
})

test('a page that two CPUs fight over, and that is never idle meanwhile, has one lifetime of many events', async () => {
  const race = (await pageLives(await open('race-5.10'), 0xfcf83ff, {}))!
  const { lifetimes } = JSON.parse(JSON.stringify(lifeJson(race)))
  expect(lifetimes.map(({ events }: { events: object[] }) => events.length > 1000)).toEqual([false, true, false])
  // Then memunmap_pages() gives back what an idle page has of its own, which is none too many.
  const { events, ended } = lifetimes.at(-1)
  expect(events.map(({ base, val, count, time }: never) => [base, val, count, time])).toEqual([[true, -1, 0, ended]])
  expect(lifeText(race, 1).join('\n')).toMatch(
    /lifetime 3: 1 event, its base reference given back\n.*\n {2}11\.227598 +0 +-1 base {2}/,
  )
})

test('a put by memunmap_pages() of what another put has given back is one too many', async () => {
  const { lifetimes } = (await pageLives(await open('surplus-put-5.10'), LEAKED, {}))!
  const { function: name, count, base } = lifetimes.at(-1)!.events.at(-1)!
  expect([name, count, base]).toEqual(['memunmap_pages', -1, undefined])
})

test('a finding counts as its events do, also where memunmap_pages() has put the page since', async () => {
  const recording = await open('surplus-put-5.10')
  const made = await account(recording)
  const { events } = await collect(await open('surplus-put-5.10'))
  const [finding] = made.findings
  expect([finding!.kind, finding!.count, finding!.expected]).toEqual(['put-on-free-page', 1, 1])
  const returned = events.filter(({ pfn, op }) => pfn === finding!.pfn && op === 'page_ref_mod_and_return')
  const own = finding!.history.filter(({ operation }) => operation === 'page_ref_mod_and_return')
  expect(own.length).toBeGreaterThan(3)
  for (const { time, count } of own)
    expect(returned.filter(each => Number(each.time - recording.timeBase) === time).map(each => each.ret)).toContain(
      count,
    )
})

test('a page that does not occur has none', async () => {
  expect(await pageLives(await open('leak-6.12'), 0x1, {})).toBeUndefined()
})

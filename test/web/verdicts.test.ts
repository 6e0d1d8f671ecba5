// SPDX-License-Identifier: GPL-2.0-or-later
// Verdicts and counterexamples as `lastput check --html` writes them, in a browser.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { reportHtml } from '../../src/report/html.ts'
import { type Browser, chromium, launchBrowser, openedFile } from '../../testkit/browser.ts'
import type { CellJson, CheckJson } from '../../web/src/documents.ts'
import { needs } from '../support/needs.ts'
import { serious } from './accessible.ts'
import { bundle, lastput } from './built.ts'

const folder = mkdtempSync(join(tmpdir(), 'lastput-verdicts-'))
const bugs = join(folder, 'bugs.html')
const matrix = join(folder, 'matrix.html')
let browser: Browser
let checks: CheckJson[]
let cells: CellJson[]
afterAll(() => rmSync(folder, { recursive: true }))

const open = (file: string, hash?: string) => openedFile(browser, file, hash)

needs(chromium()).describe('verdicts', () => {
  beforeAll(async () => {
    // One that touches what is gone, and one that goes on for ever.
    checks = JSON.parse(lastput(['check', '1,8', '--bugs', '--json', '--html', bugs]))
    cells = JSON.parse(
      lastput(['check', 'device_dax', '--matrix', '--pages', '1', '--vas', '1', '--json', '--html', matrix]),
    )
    browser = await launchBrowser()
  }, 120_000)
  afterAll(() => browser?.close())

  test('the corpus: broken forms open their counterexample, mended ones hold', async () => {
    const { page, errors } = await open(bugs)
    expect(await serious(page)).toEqual([])
    const row = page.getByRole('row').filter({ hasText: checks[0]!.title! })
    await expect(row.locator('.holds').count()).resolves.toBe(1)
    await row.getByRole('link', { name: `violated in ${checks[0]!.counterexample!.length} steps` }).click()
    await page.locator('.sequence').waitFor()
    await expect(page.locator('.sequence tbody tr').count()).resolves.toBe(checks[0]!.counterexample!.length)
    await expect(page.locator('.counterexample').textContent()).resolves.toContain(checks[0]!.message!)
    expect(errors).toEqual([])
    await page.close()
  })

  test('a counterexample is walked by keys: cells, what changes, who holds what', async () => {
    const { page, errors } = await open(bugs, '#view=counterexample&check=0&step=1')
    const steps = checks[0]!.counterexample!
    const values = new Map<string, number>()
    for (const { changes } of [...steps].reverse()) for (const { cell, from } of changes) values.set(cell, from)
    for (const [i, step] of steps.entries()) {
      if (i > 0) await page.keyboard.press('ArrowDown')
      for (const { cell, to } of step.changes) values.set(cell, to)
      await expect(page.locator('.holders h2').first().textContent()).resolves.toContain(`Step ${i + 1} of`)
      await expect(page.locator('.lit th').allTextContents()).resolves.toEqual(
        step.changes.map(each => each.cell).sort(),
      )
      await expect(page.locator('.holders').textContent()).resolves.toContain(step.holders || 'Every page is idle.')
      const count = page.locator('.cells tr').filter({ hasText: 'page[0]._refcount' }).locator('td')
      await expect(count.textContent()).resolves.toMatch(new RegExp(`(^|→ )${values.get('page[0]._refcount')}$`))
    }
    await page.keyboard.press('Home')
    await page.keyboard.press('ArrowDown')
    // The browser learns of the new address a moment later than the page.
    await page.waitForURL(/step=2/)
    await page.reload()
    await expect(page.locator('tr[aria-selected=true] th').textContent()).resolves.toBe('2')
    await expect(page.locator('.ahead').count()).resolves.toBe(steps.length - 2)
    expect(await serious(page)).toEqual([])
    expect(errors).toEqual([])
    await page.close()
  })

  test('each step stands in the lane of its thread, in its row, and the last one is where it ends', async () => {
    for (const width of [1280, 800]) {
      const { page } = await open(bugs, '#view=counterexample&check=0')
      await page.setViewportSize({ width, height: 800 })
      const steps = checks[0]!.counterexample!
      const seen = await page.evaluate(() => {
        const middle = (element: Element) => {
          const { left, right, top, bottom } = element.getBoundingClientRect()
          return { x: (left + right) / 2, y: (top + bottom) / 2 }
        }
        return {
          lanes: [...document.querySelectorAll('.sequence thead th')].map(each => ({
            name: each.textContent!,
            ...middle(each),
          })),
          boxes: [...document.querySelectorAll('.sequence tbody tr')].map(row => ({
            number: row.querySelector('th')!.textContent!,
            row: middle(row).y,
            ...middle(row.querySelector('.box')!),
          })),
        }
      })
      expect(seen.boxes.length).toBe(steps.length)
      for (const [i, { number, row, x, y }] of seen.boxes.entries()) {
        expect(number).toContain(String(i + 1))
        expect(Math.abs(row - y)).toBeLessThan(2)
        const lane = seen.lanes.find(({ name }) => name === steps[i]!.thread)!
        expect(Math.abs(lane.x - x)).toBeLessThan(2)
      }
      await page.close()
    }
  })

  test('an execution without end says where it goes round', async () => {
    const endless = checks.findIndex(check => check.loop !== undefined)
    const { page } = await open(bugs, `#view=counterexample&check=${endless}`)
    await expect(page.locator('main').textContent()).resolves.toContain(
      `from step ${checks[endless]!.loop} again, for ever`,
    )
    await expect(page.locator('tr.again th').textContent()).resolves.toContain(String(checks[endless]!.loop))
    await page.close()
  })

  test('the matrix: each cell says what the JSON says; the filter is in the address', async () => {
    const { page, errors } = await open(matrix)
    expect(await serious(page)).toEqual([])
    const violated = cells.filter(each => each.verdict === 'violated')
    expect(violated.length).toBeGreaterThan(0)
    await expect(page.locator('td.violated').count()).resolves.toBe(violated.length)
    await expect(page.locator('td.holds').count()).resolves.toBe(cells.filter(each => each.verdict === 'holds').length)
    await page.locator('td.violated a').first().click()
    await page.locator('.sequence').waitFor()
    await expect(page.locator('.sequence tbody tr').count()).resolves.toBeGreaterThan(0)
    await page.goBack()
    await page.getByRole('searchbox').fill('no such driver')
    await expect(page.locator('tbody tr').count()).resolves.toBe(0)
    await page.reload()
    await expect(page.getByRole('searchbox').inputValue()).resolves.toBe('no such driver')
    await expect(page.locator('tbody tr').count()).resolves.toBe(0)
    expect(errors).toEqual([])
    await page.close()
  })

  test('names from a user\u2019s model are text', async () => {
    const hostile = '<img src=x onerror=alert(1)>\u202e\u001b[31m'
    const [check] = structuredClone(checks)
    Object.assign(check!, {
      system: hostile,
      driver: hostile,
      message: hostile,
      title: hostile,
      property: hostile,
      bounds: hostile,
    })
    for (const step of check!.counterexample!) {
      Object.assign(step, { thread: hostile, function: hostile, operation: hostile, holders: hostile, source: hostile })
      step.changes.push({ cell: hostile, from: 0, to: 1, text: hostile })
    }
    const file = join(folder, 'hostile.html')
    writeFileSync(file, await reportHtml([check], hostile, bundle()))
    for (const hash of ['', '#view=counterexample&check=0']) {
      const { page, errors } = await open(file, hash)
      await page.locator('h1').waitFor()
      await expect(page.locator('main').textContent()).resolves.toContain(
        '<img src=x onerror=alert(1)>\\u202e\\x1b[31m',
      )
      await expect(page.locator('img').count()).resolves.toBe(0)
      expect(errors).toEqual([])
      await page.close()
    }
  })

  test('protocols side by side: the life of a page as the model lives it, with what differs', async () => {
    const file = join(folder, 'explain.html')
    const { protocols } = JSON.parse(lastput(['explain', '--json', '--html', file]))
    const { page, errors } = await open(file, '#type=PRIVATE&left=D&right=G')
    const sides = page.locator('.sides section')
    for (const [i, id] of ['D', 'G'].entries()) {
      const protocol = protocols.find((each: { id: string }) => each.id === id)
      const life = protocol.lives.find((each: { type: string }) => each.type === 'PRIVATE')
      await expect(sides.nth(i).locator('.count').allTextContents()).resolves.toEqual(
        [life.initial, ...life.steps.flatMap((step: { count?: { to: number } }) => step.count?.to ?? [])].map(String),
      )
      await expect(sides.nth(i).textContent()).resolves.toContain(protocol.words)
    }
    // D sets the count back to 1 after the page is free; in G the driver sets it when it hands the page out.
    await expect(sides.nth(0).locator('.differs').allTextContents()).resolves.toContainEqual(
      expect.stringMatching(/^1reset_after_free/),
    )
    await expect(sides.nth(1).locator('.differs').allTextContents()).resolves.toContainEqual(
      expect.stringMatching(/^1set_page_count/),
    )
    expect(await serious(page)).toEqual([])
    await page.getByLabel('Right').selectOption('D')
    await expect(page.locator('.differs').count()).resolves.toBe(0)
    await page.reload()
    await expect(page.getByLabel('Right').inputValue()).resolves.toBe('D')
    expect(errors).toEqual([])
    await page.close()
  })

  test.each(['check=99', 'check=1', 'row=0&property=toString', 'check=0&step=99'])(
    'an address that names nothing (%s) breaks nothing',
    async hash => {
      const { page, errors } = await open(hash.startsWith('row') ? matrix : bugs, `#view=counterexample&${hash}`)
      await expect(page.locator('main').textContent()).resolves.toMatch(/there is no such counterexample|Step \d+ of/)
      expect(errors).toEqual([])
      await page.close()
    },
  )
})

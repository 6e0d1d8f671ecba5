// SPDX-License-Identifier: GPL-2.0-or-later
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Page } from '../../testkit/browser.ts'

const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js')

interface Axe {
  run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }>
}

/** What axe-core finds that is serious or critical, as lines. */
export async function serious(page: Page): Promise<string[]> {
  // By evaluation, since the page's policy allows no script but its own.
  await page.evaluate(readFileSync(axe, 'utf8'))
  const { violations } = await page.evaluate(() => (globalThis as unknown as { axe: Axe }).axe.run())
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(node => `${id}: ${node.html}`))
}

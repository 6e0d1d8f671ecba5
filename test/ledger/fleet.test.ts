// SPDX-License-Identifier: GPL-2.0-or-later
// Several recordings of one driver learn from each other, those of another build do not.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Account, account, readLedger } from '../../src/ledger/account.ts'
import type { Finding } from '../../src/ledger/findings/finding.ts'
import { Fleet } from '../../src/ledger/learn/fleet.ts'
import { openFile } from '../../src/node/open.ts'
import { select } from '../../src/report/filter.ts'
import { traceJson } from '../../src/report/trace-json.ts'
import { data, dataPath } from '../../testkit/data.ts'
import { namesOf } from '../support/named.ts'
import { needs } from '../support/needs.ts'

const FOLDER = join(import.meta.dirname, 'recordings')
const zd2 = (name: string) => join(FOLDER, `zd2-${name}-6.12.dat`)
const allOf = (folder: string, pattern: RegExp) =>
  readdirSync(folder)
    .filter(name => pattern.test(name))
    .map(name => join(folder, name))

async function fleetOf(files: readonly string[]): Promise<Fleet> {
  const fleet = new Fleet()
  for (const file of files) {
    const recording = await openFile(file)
    fleet.add(file, recording.info.kernel, await readLedger(recording, { isShared: true }))
    await recording.close()
  }
  return fleet
}

async function judge(file: string, fleet?: Fleet): Promise<Account> {
  const recording = await openFile(file)
  const others = fleet?.others(file)
  const made = await account(recording, { others, isShared: others !== undefined })
  await recording.close()
  return made
}

const accusations = ({ findings }: Account) => findings.filter(({ kind }) => kind !== 'held-at-end')
const said = ({ kind, pfn }: Finding) => `${kind} ${pfn.toString(16)}`

const files = [...allOf(FOLDER, /-6\.12\.dat$/), ...allOf(join(FOLDER, 'quay'), /\.dat$/)]

test.each(files)('call sites by name are those by address: %s', async file => {
  const recordings = [await openFile(file), await openFile(file)]
  const [named, plain] = [await account(recordings[0]!, { isShared: true }), await account(recordings[1]!)]
  expect(traceJson(select(named, {}), [])).toEqual(traceJson(select(plain, {}), []))
})

describe('recordings of one build', () => {
  test('accuse together whom they accuse alone, or fewer of them, on the same pages', async () => {
    const fleet = await fleetOf(files)
    for (const file of files) {
      const [joint, alone] = [accusations(await judge(file, fleet)), accusations(await judge(file))]
      expect([file, joint.map(said).sort()]).toEqual([file, alone.map(said).sort()])
      for (const finding of joint) {
        const same = alone.filter(other => said(other) === said(finding)).flatMap(namesOf)
        expect(namesOf(finding).length, file).toBeGreaterThan(0)
        expect(same, file).toEqual(expect.arrayContaining(namesOf(finding)))
      }
    }
  })

  test('have more lifetimes for a law than each alone', async () => {
    const file = zd2('pintwice')
    const joint = await judge(file, await fleetOf(allOf(FOLDER, /^zd2-.*-6\.12\.dat$/)))
    const alone = await judge(file)
    const leak = { kind: 'leak', culprit: { frame: { name: 'zd2_pin' } }, certainty: 'likely' }
    expect(alone.findings).toMatchObject([leak])
    expect(alone.findings[0]!.evidence.join()).toMatch(/in all 255 complete lifetimes/)
    expect(joint.findings).toMatchObject([leak])
    expect(joint.findings[0]!.evidence.join()).toMatch(/complete lifetimes of 7 recordings/)
    expect(joint.notes.join()).toMatch(/^laws are learned from \d+ complete lifetimes of 6 other recordings/)
    expect(joint.lives).toEqual(alone.lives)
  })

  test('list no laws of call sites that the recording itself does not have', async () => {
    const file = join(FOLDER, 'quay/quay-ok-cut-6.12.dat')
    const { laws } = await judge(file, await fleetOf(files))
    const names = laws.flatMap(({ gets, puts }) => [...gets, ...puts].map(site => site?.name))
    expect(names.filter(name => name?.startsWith('zd2_'))).toEqual([])
    expect(names.filter(name => name?.startsWith('qy_')).length).toBeGreaterThan(0)
  })

  test('a recording is no other one of itself', async () => {
    const fleet = await fleetOf([zd2('ok'), zd2('ok')])
    expect(fleet.others(zd2('ok'))).toBeUndefined()
    expect(fleet.others('another')).toBeUndefined()
  })
})

describe('recordings that have nothing in common', () => {
  test('are judged as if they were alone', async () => {
    const [a, b] = [zd2('ok'), join(FOLDER, 'zd2-ok-5.10.dat')]
    const fleet = await fleetOf([a, b])
    expect([fleet.others(a), fleet.others(b)]).toEqual([undefined, undefined])
  })

  needs(data('6.12/zdbug-leak'), data('6.12/zdbug-leak-tailcall')).test(
    'another build of a module has other offsets: one of them may be another call site',
    async () => {
      const paths = ['leak', 'drvleak', 'noinit', 'leak-tailcall'].map(name => dataPath(`6.12/zdbug-${name}/trace.dat`))
      const fleet = await fleetOf(paths)
      expect(paths.map(path => fleet.others(path) !== undefined)).toEqual([true, true, true, false])
    },
  )

  test('addresses tell which build it is: without, nothing is learned', async () => {
    const fleet = new Fleet()
    for (const name of ['a', 'b']) {
      const recording = await openFile(zd2('ok'))
      const ledger = await readLedger(recording, { isShared: true })
      const keyFrames = (signature: number) =>
        ledger.sites.keyFrames(signature).map(frame => ({ ...frame, address: 0n }))
      const sites = new Proxy(ledger.sites, {
        get: (of, key) => (key === 'keyFrames' ? keyFrames : Reflect.get(of, key, of)),
      })
      fleet.add(name, recording.info.kernel, { kinds: ledger.kinds, sites })
    }
    expect(fleet.others('a')).toBeUndefined()
  })
})

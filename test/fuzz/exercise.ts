// SPDX-License-Identifier: GPL-2.0-or-later
/** What is done with each mutant: everything that a command would do, and checks that hold for any input. */

import assert from 'node:assert/strict'
import { isDump } from '../../src/core/memory/open.ts'
import { account, whoHolds } from '../../src/ledger/account.ts'
import { eventJson, eventText } from '../../src/print/event-lines.ts'
import { reportText } from '../../src/print/trace-cmd-report.ts'
import { select } from '../../src/report/filter.ts'
import { traceText } from '../../src/report/trace.ts'
import { traceJson } from '../../src/report/trace-json.ts'
import { whoText } from '../../src/report/who.ts'
import { BytesSource } from '../../src/trace/common/bytes.ts'
import {
  type Damage,
  type EventBatch,
  isProbe,
  OP_NAMES,
  Op,
  type Recording,
  TraceError,
} from '../../src/trace/events.ts'
import { openText } from '../../src/trace/ftracetext/recording.ts'
import { openRecording } from '../../src/trace/open.ts'
import { isTraceDat } from '../../src/trace/tracedat/file.ts'
import type { Random } from '../../testkit/random.ts'
import { exerciseDump } from './exercise-dump.ts'

/** What came of a mutant. */
export type Outcome = 'read' | 'damaged' | 'refused'

/** Rejects when a mutant does what no input may make the program do. */
export async function exercise(bytes: Uint8Array, random: Random): Promise<Outcome> {
  if (isDump(bytes)) return exerciseDump(bytes, random)
  let outcome = await refusing(() => readAll(bytes, random))
  if (isTraceDat(bytes)) await refusing(() => printAll(bytes))
  if (random.chance(0.2)) await refusing(() => showColumns(bytes))
  await refusing(() => accountFor(bytes, random))
  if (random.chance(0.2)) outcome = (await refusing(() => readPiped(bytes, random))) ?? outcome
  return outcome
}

/** A TraceError with a place in the file is an answer. */
async function refusing(task: () => Promise<Outcome>): Promise<Outcome> {
  try {
    return await task()
  } catch (error) {
    if (!(error instanceof TraceError)) throw error
    assert.ok(error.file !== '' && error.expected !== '')
    assert.ok(Number.isFinite(error.offset) && error.offset >= 0, `offset ${error.offset}`)
    return 'refused'
  }
}

const KALLSYMS = 'ffffffff81000000 T handed_in\nffffffffc0000000 t in_module\t[zdbug]\n'

async function readAll(bytes: Uint8Array, random: Random): Promise<Outcome> {
  const kallsyms = random.chance(0.3) ? [KALLSYMS] : []
  return checkRecording(await openRecording(new BytesSource('mutant', bytes), { kallsyms }), bytes.length)
}

/** As text from a pipe, in pieces of any size. */
async function readPiped(bytes: Uint8Array, random: Random): Promise<Outcome> {
  const input = {
    name: 'pipe',
    size: undefined,
    async *chunks() {
      for (let at = 0; at < bytes.length; ) {
        const length = random.int(1, random.pick([3, 100, 5000]))
        yield bytes.subarray(at, at + length)
        at += length
      }
    },
  }
  return checkRecording(await openText(input), bytes.length)
}

/** The ledger and its reports have no right to refuse anything, nor to show what no terminal should see. */
async function accountFor(bytes: Uint8Array, random: Random): Promise<Outcome> {
  const open = () => openRecording(new BytesSource('mutant', bytes))
  const recording = await open()
  const made = await account(recording, { allPages: random.chance(0.5) })
  await recording.close()
  const { events, pagemaps, lives } = made
  assert.ok(events >= 0 && Object.values(lives).every(count => Number.isInteger(count) && count >= 0))
  for (const { firstPfn, lastPfn } of pagemaps) assert.ok(firstPfn <= lastPfn)
  const selected = select(made, {})
  checkShown(traceText(selected, recording.damage))
  assert.ok(JSON.stringify(traceJson(selected, recording.damage)).length > 0)
  if (random.chance(0.3)) {
    const again = await open()
    const pfn = selected.findings[0]?.pfn ?? pagemaps[0]?.firstPfn ?? 0x1000
    const held = await whoHolds(again, [{ first: pfn, last: pfn + random.int(0, 64) }], made.lastTime, {})
    checkShown(whoText(held, made.lastTime, made))
    await again.close()
  }
  return 'read'
}

/** No control character of a file reaches the terminal, for some move the cursor or worse. */
function checkShown(lines: readonly string[]): void {
  for (const line of lines) assert.doesNotMatch(line, /\p{Cc}|NaN|undefined/u)
}

async function checkRecording(recording: Recording, size: number): Promise<Outcome> {
  let events = 0
  for await (const batch of recording.batches()) {
    checkBatch(recording, batch)
    events += batch.length
    // No event takes less than 8 bytes, and a packed chunk is bounded.
    assert.ok(events <= 1_000_000 + size, `${events} events in ${size} bytes`)
  }
  for (const { offset, expected } of recording.damage) {
    assert.ok(expected !== '' && Number.isFinite(offset) && offset >= 0, `damage at ${offset}: ${expected}`)
  }
  checkStacks(recording)
  const { done } = recording.progress()
  assert.ok(done >= 0 && Number.isFinite(done))
  await recording.close()
  return recording.damage.length > 0 ? 'damaged' : 'read'
}

function checkBatch(recording: Recording, batch: EventBatch): void {
  const seen = new Uint8Array(batch.length)
  assert.ok(batch.length <= batch.time.length && batch.length <= batch.order.length)
  for (let k = 0; k < batch.length; k++) {
    const row = batch.order[k]!
    assert.ok(row < batch.length && seen[row] === 0, `row ${row} twice in the order`)
    seen[row] = 1
    assert.ok(Number.isFinite(batch.time[row]), `time ${batch.time[row]}`)
    assert.ok(batch.op[row]! < OP_NAMES.length)
    assert.ok(Number.isFinite(batch.pfn[row]) && batch.pfn[row]! >= 0)
    assert.ok(batch.stack[row]! < recording.stacks.size, `stack ${batch.stack[row]} of ${recording.stacks.size}`)
    if (isProbe(batch.op[row]!)) checkProbe(batch, row)
    assert.equal(typeof recording.tasks.name(batch.pid[row]!), 'string')
  }
  for (const { from, to } of batch.lost) assert.ok(!Number.isNaN(from) && !Number.isNaN(to))
}

/** A probe says nothing but what is its own. */
function checkProbe(batch: EventBatch, row: number): void {
  const [op, pfn, val] = [batch.op[row]!, batch.pfn[row]!, batch.val[row]!]
  const { flagsLow, flagsHigh, count, mapcount, mt, ret, mappingLow, mappingHigh } = batch
  for (const column of [flagsLow, flagsHigh, count, mapcount, mt, ret]) assert.equal(column[row], 0)
  if (op !== Op.REPORT) assert.equal(mappingLow[row]! + mappingHigh[row]!, 0)
  assert.ok(Number.isInteger(pfn) && pfn < 2 ** 52, `pfn ${pfn}`)
  if (op === Op.REPORT || op === Op.MEMUNMAP_END) assert.equal(pfn, 0)
  if (op === Op.MEMUNMAP) assert.ok(val >= 0 && (val > 0 || pfn === 0), `${val} pages`)
  else if (op !== Op.REPORT) assert.equal(val, 0)
}

function checkStacks(recording: Recording): void {
  for (let stack = 0; stack < recording.stacks.size; stack++) {
    for (const id of recording.stacks.frames(stack)) {
      const { address, name } = recording.stacks.frame(id)
      assert.ok(address >= 0n && typeof name === 'string')
    }
  }
}

/** What `lastput events` shows of a file that is no trace.dat, and with --json. */
async function showColumns(bytes: Uint8Array): Promise<Outcome> {
  const open = () => openRecording(new BytesSource('mutant', bytes))
  for await (const text of eventText(await open())) assert.doesNotMatch(text, /=(undefined|NaN)/)
  for await (const text of eventJson(await open())) for (const line of text.split('\n')) if (line) JSON.parse(line)
  return 'read'
}

async function printAll(bytes: Uint8Array): Promise<Outcome> {
  const damage: Damage[] = []
  let length = 0
  for await (const text of reportText(new BytesSource('mutant', bytes), damage)) {
    length += text.length
    assert.ok(length <= 200_000_000, `${length} characters of ${bytes.length} bytes`)
  }
  return damage.length > 0 ? 'damaged' : 'read'
}

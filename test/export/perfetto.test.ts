// SPDX-License-Identifier: GPL-2.0-or-later
// The trace that --perfetto writes, decoded by the field numbers of Perfetto's published schema.
import { join } from 'node:path'
import { PbfReader } from 'pbf'
import { describe, expect, it } from 'vitest'
import { KeptRecording } from '../../src/export/kept-recording.ts'
import { writePerfetto } from '../../src/export/perfetto.ts'
import { openFile } from '../../src/node/open.ts'
import type { Recording } from '../../src/trace/events.ts'
import { Op } from '../../src/trace/events.ts'
import { fakeRecording, type Row } from '../../testkit/fake-recording.ts'

interface Track {
  uuid: number
  name: string
  parent: number | undefined
  isCounter: boolean
}
interface Mark {
  time: number
  type: number
  track: number
  name: string | undefined
  category: string | undefined
  value: number | undefined
  notes: Record<string, string | number>
}

/** Messages by field number, as far as the writer uses them; an unknown field fails. */
function decode(bytes: Uint8Array): { tracks: Track[]; marks: Mark[] } {
  const tracks: Track[] = []
  const marks: Mark[] = []
  new PbfReader(bytes).readFields((field, _, pbf) => {
    expect(field).toBe(1)
    let time = Number.NaN
    pbf.readMessage((inner, __, packet) => {
      if (inner === 8) time = packet.readVarint()
      else if (inner === 10) expect(packet.readVarint()).toBe(1)
      else if (inner === 60)
        tracks.push(packet.readMessage(readTrack, { uuid: 0, name: '', parent: undefined, isCounter: false }))
      else if (inner === 11) {
        const mark = { time, type: 0, track: 0, name: undefined, category: undefined, value: undefined, notes: {} }
        marks.push(packet.readMessage(readMark, mark as Mark))
      } else throw new Error(`packet field ${inner}`)
    }, undefined)
  }, undefined)
  return { tracks, marks }
}

function readTrack(field: number, track: Track, pbf: PbfReader): void {
  if (field === 1) track.uuid = pbf.readVarint()
  else if (field === 2) track.name = pbf.readString()
  else if (field === 5) track.parent = pbf.readVarint()
  else if (field === 8) {
    track.isCounter = true
    expect(pbf.readBytes().length).toBe(0)
  } else throw new Error(`track field ${field}`)
}

function readMark(field: number, mark: Mark, pbf: PbfReader): void {
  if (field === 9) mark.type = pbf.readVarint()
  else if (field === 11) mark.track = pbf.readVarint()
  else if (field === 22) mark.category = pbf.readString()
  else if (field === 23) mark.name = pbf.readString()
  else if (field === 30) mark.value = pbf.readVarint(true)
  else if (field === 4) {
    let name = ''
    pbf.readMessage((inner, notes, annotation) => {
      if (inner === 10) name = annotation.readString()
      else if (inner === 4) notes[name] = annotation.readVarint(true)
      else if (inner === 6) notes[name] = annotation.readString()
      else throw new Error(`annotation field ${inner}`)
    }, mark.notes)
  } else throw new Error(`event field ${field}`)
}

async function exported(recording: Recording): Promise<ReturnType<typeof decode> & { notes: string[] }> {
  const parts: Uint8Array[] = []
  const notes = writePerfetto(await KeptRecording.read(recording, {}), bytes => parts.push(bytes.slice()))
  return { ...decode(Buffer.concat(parts)), notes }
}

const file = (name: string) => openFile(join(import.meta.dirname, '../../examples', name, 'trace.dat'))

describe.each(['leak-6.12', 'race-5.10', 'surplus-put-5.10', 'dax-6.12'])('%s', name => {
  it('is a valid trace: tracks before what is on them, slices nest, counters count', async () => {
    const { tracks, marks, notes } = await exported(await file(name))
    expect(notes).toEqual([])
    const known = new Map(tracks.map(track => [track.uuid, track]))
    expect(known.size).toBe(tracks.length)
    for (const { parent } of tracks) if (parent !== undefined) expect(known.has(parent)).toBe(true)
    const open = new Map<number, number[]>()
    const wrong: Mark[] = []
    for (const mark of marks) {
      const { type, track, time, value } = mark
      const stack = open.get(track) ?? []
      open.set(track, stack)
      const isPlaced = known.get(track)!.isCounter === (type === 4) && Number.isSafeInteger(time) && time >= 0
      const ends = type !== 2 || stack.pop()! <= time
      if (!isPlaced || !ends || (type === 4 && !Number.isInteger(value))) wrong.push(mark)
      if (type === 1) stack.push(time)
    }
    expect(wrong).toEqual([])
    // One slice at a time on each track: holders that overlap are in rows of their own.
    expect([...open.values()].filter(stack => stack.length > 1)).toEqual([])
  })
})

it('shows who leaked: a holder that does not end on a lifetime that does not end, and the finding', async () => {
  const { tracks, marks } = await exported(await file('leak-6.12'))
  const page = tracks.find(({ name }) => name === '0xfcf83fc')!
  const own = tracks.filter(({ parent }) => parent === page.uuid)
  const on = (uuid: number) => marks.filter(({ track }) => track === uuid)
  expect(
    on(page.uuid)
      .filter(({ type }) => type === 1)
      .at(-1),
  ).toMatchObject({ name: 'held at the end' })
  const holders = own.filter(({ name }) => name === 'holders').map(({ uuid }) => on(uuid))
  const left = holders.filter(all => all.at(-1)!.type === 1).map(all => all.at(-1)!)
  expect(left).toMatchObject([{ name: 'zdbug_bug_leak_get+0x30', category: 'holder', notes: { references: 1 } }])
  const [finding] = on(page.uuid).filter(({ type }) => type === 3)
  expect(finding).toMatchObject({
    name: 'leak (fault likely, culprit likely)',
    category: 'finding',
    notes: { page: '0xfcf83fc', culprit: expect.stringContaining('zdbug_bug_leak_get+0x30') },
  })
})

it('says how many holders have no room', async () => {
  const row = (i: number): Row => ({
    ...{ time: 1000 + i, cpu: 0, pid: 7, pfn: 0x900, count: i + 2, mapcount: 0, val: 1, ret: 0, stack: undefined },
    op: i === 0 ? Op.SET : Op.MOD,
    count: i + 1,
  })
  const { notes } = await exported(
    fakeRecording(
      Array.from({ length: 300 }, (_, i) => row(i)),
      [],
    ),
  )
  expect(notes).toEqual([
    expect.stringMatching(/^\d+ references are not drawn: a page has room for 256 holders at a time$/),
  ])
})

// SPDX-License-Identifier: GPL-2.0-or-later
/** Text that stores states: partitions, their tables and logs, levels, and the kernel's methods over them. */
import type { Fields } from './emit-fields.ts'

/** log2 of the number of partitions. */
export const PARTITION_BITS = 6
export const PARTITIONS = 1 << PARTITION_BITS

/** What a kernel is doing: the first two leave out what the reductions allow. */
const MODES = ['SEARCH', 'BEFORE', 'SUCCESSORS', 'VIOLATIONS', 'COUNT', 'GRAPH']

export function declarations(most: number, threads: number, words: number, properties: number): string {
  return `
const W = ${words}, PBITS = ${PARTITION_BITS}, P = ${PARTITIONS}, MOST = ${most}, THREADS = ${threads}
const ${MODES.map((name, i) => `${name} = ${i}`).join(', ')}, KINDS = ['deadlock', 'step', 'state']
const me = env.me, workers = env.workers, cut = env.cut === true
let buffers = [], positions = [], out = null, pos = null, cap = 0
const logs = [], tabs = [], counts = new Int32Array(P), lo = new Int32Array(P), hi = new Int32Array(P), starts = []
for (let p = 0; p < P; p++) { logs.push(null); tabs.push(null); starts.push([]) }
let atP = me, atI = 0, full = false, moves = 0, enabled = 0, mode = SEARCH, level = 0
// Violations of the search by kind and property; or the kind and the properties looked for, and whether one was met.
const bad = [new Uint8Array(${properties}), new Uint8Array(${properties}), new Uint8Array(${properties})]
let kindSought = 0, sought = bad[0], hit = 0, failed = false
const captured = []
function worse(kind, property) {
  if (mode === SEARCH) bad[kind][property] = 1
  else if (mode === VIOLATIONS && kind === kindSought && sought[property] === 1) { hit = 1; captured.push(thread) }
  if (kind === 1) enabled++
  else failed = true
}
function stop() { enabled++; moves++; moving |= 1 << thread }
// An entry of a table: 1 + position in the partition's log, and bits of the hash that spare most looks at the log.
const INDEX = 0xffffff, TAG = ~INDEX
let overflow = false
function tagOf(h) { return (h << PBITS) & TAG }
// States to be told from others: one after the other, and a table of 1 + position.
let targets = null, slots = null
// The graph that is being built.
let graph = null, edges = 0, moving = 0, begun = 0
const base = new Int32Array(P + 1)`
}

/** Functions whose text depends on the number of words. */
export function storeFunctions({ words, names }: Fields): string {
  const w = names.join()
  const same = (list: string, at: string) => words.map(i => `${list}[${at} + ${i}] === w${i}`).join(' && ')
  const wordsAt = (list: string, at: string) => words.map(i => `${list}[${at} + ${i}]`).join()
  return `
function hash(${w}) {
  let h = Math.imul(w0 ^ (w0 >>> 15), 0x2c1b3c6d)
  ${words
    .slice(1)
    .map(i => `h = Math.imul(h ^ (h >>> 13) ^ w${i}, 0x297a2d39 + ${2 * i}) ; h ^= h >>> 16`)
    .join('\n  ')}
  h = Math.imul(h ^ (h >>> 15), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}
function hashAt(a, j) { return hash(${wordsAt('a', 'j')}) }
function expandAt(a, j) { expandState(${wordsAt('a', 'j')}) }
function brokenAt(a, j) { broken(${wordsAt('a', 'j')}) }
function startedAt(a, j) { return started(${wordsAt('a', 'j')}) }
function orbitOf(t, state) { orbit(t, ${wordsAt('state', '0')}) }
function orbitWords() { return [${words.map(i => `c${i}`).join()}] }
function aimed(${w}) {
  const mask = slots.length - 1
  for (let s = hash(${w}) & mask, k = 0; (k = slots[s]) !== 0; s = (s + 1) & mask) {
    const q = (k - 1) * W
    if (${same('targets', 'q')}) return true
  }
  return false
}
function indexOf(${w}) {
  const h = hash(${w}), p = h >>> (32 - PBITS), log = logs[p], tab = tabs[p]
  if (log === null) return -1
  const mask = tab.length - 1
  for (let s = h & mask, k = 0; (k = tab[s] & INDEX) !== 0; s = (s + 1) & mask) {
    const q = (k - 1) * W
    if (${same('log', 'q')}) return base[p] + k - 1
  }
  return -1
}
function orbitIndex() { return indexOf(${words.map(i => `c${i}`).join()}) }
function edge(${w}) {
  const ends = (begun & (1 << thread)) !== 0 && (started(${w}) & (1 << thread)) === 0
  orbit(0, ${w})
  graph.to[edges] = orbitIndex()
  graph.who[edges++] = ends ? thread | 32 : thread
}
function insertPartition(p) {
  let log = logs[p], tab = tabs[p], n = counts[p]
  if (log === null) { log = logs[p] = new Int32Array(256 * W); tab = tabs[p] = new Int32Array(512) }
  let mask = tab.length - 1, room = log.length / W, most = (tab.length * 3) >>> 2
  for (let k = 0; k < workers; k++) {
    const src = buffers[k], end = (p * cap + positions[k][p]) * W
    outer: for (let j = p * cap * W; j < end; j += W) {
      ${words.map(i => `const w${i} = src[j + ${i}]`).join('; ')}
      const h = hash(${w}), tag = tagOf(h)
      let s = h & mask
      for (let e = tab[s]; e !== 0; e = tab[s = (s + 1) & mask]) {
        if ((e & TAG) !== tag) continue
        const q = ((e & INDEX) - 1) * W
        if (${same('log', 'q')}) continue outer
      }
      if (n >= INDEX - 1) { overflow = true; continue }
      if (n === room) {
        room = room + (room >>> 1)
        const bigger = new Int32Array(room * W)
        bigger.set(log)
        logs[p] = log = bigger
      }
      ${words.map(i => `log[n * W + ${i}] = w${i}`).join('; ')}
      tab[s] = tag | ++n
      broken(${w})
      if (n > most) {
        tab = tabs[p] = new Int32Array(tab.length * 2)
        mask = tab.length - 1; most = (tab.length * 3) >>> 2
        for (let i = 0; i < n; i++) {
          const h = hashAt(log, i * W)
          let s = h & mask
          while (tab[s] !== 0) s = (s + 1) & mask
          tab[s] = tagOf(h) | (i + 1)
        }
      }
    }
  }
  counts[p] = n
}`
}

/** The methods, the same for every system. */
export const METHODS = `
function bytes() {
  if (overflow) return Infinity
  let n = 0
  for (let p = 0; p < P; p++) if (logs[p] !== null) n += logs[p].byteLength + tabs[p].byteLength
  return n + (out === null ? 0 : out.byteLength)
}
// Does something else than searching.
function aside(other, work) {
  const kept = moves
  mode = other
  try { return work() } finally { mode = SEARCH; moves = kept; captured.length = 0 }
}
// Position of the first state of a level in a partition's log; of the level after the last, where it will be.
function startOf(p, l) { return l < starts[p].length ? starts[p][l] : l === starts[p].length ? hi[p] : counts[p] }
// The states of a level that a test is true of, one after the other.
function pick(level, test) {
  let found = new Int32Array(256 * W), n = 0
  for (let p = me; p < P; p += workers) {
    for (let i = startOf(p, level), end = startOf(p, level + 1); i < end; i++) {
      if (!test(logs[p], i * W)) continue
      if (n === found.length) {
        const bigger = new Int32Array(n * 2)
        bigger.set(found)
        found = bigger
      }
      for (let k = 0; k < W; k++) found[n++] = logs[p][i * W + k]
    }
  }
  return found.slice(0, n)
}
function seek(kind, properties) {
  kindSought = kind
  sought = new Uint8Array(bad[0].length)
  for (const property of properties) sought[property] = 1
}
function partitionOf(i) {
  let p = 0
  while (base[p + 1] <= i) p++
  return p
}
return {
  rebuffer(b, q, c) { buffers = b; positions = q; out = b[me] || null; pos = q[me] || null; cap = c },
  seed(state) {
    orbitOf(0, state)
    const c = orbitWords(), p = hashAt(c, 0) >>> (32 - PBITS)
    if (p % workers !== me) return
    const j = p * cap * W
    for (let i = 0; i < W; i++) out[j + i] = c[i]
    pos[p] = 1
    insertPartition(p)
    pos[p] = 0
  },
  expand() {
    pos.fill(0)
    full = false
    for (; atP < P; atP += workers, atI = 0) {
      const log = logs[atP]
      let i = lo[atP] + atI
      const end = hi[atP]
      while (i < end) {
        const j = i++ * W
        expandAt(log, j)
        if (full) { atI = i - lo[atP]; return true }
      }
    }
    return false
  },
  insert() {
    for (let p = me; p < P; p += workers) insertPartition(p)
  },
  advance() {
    let n = 0
    for (let p = me; p < P; p += workers) {
      starts[p].push(hi[p])
      lo[p] = hi[p]; hi[p] = counts[p]
      n += hi[p] - lo[p]
    }
    atP = me; atI = 0; level++
    return n
  },
  stats() {
    let states = 0
    for (let p = me; p < P; p += workers) states += counts[p]
    return { states, transitions: moves, bytes: bytes(), level }
  },
  violations() {
    const found = []
    for (let kind = 0; kind < 3; kind++)
      for (let property = 0; property < bad[kind].length; property++)
        if (bad[kind][property] === 1) found.push({ kind: KINDS[kind], property })
    return found
  },
  violating(level, kind, properties) {
    seek(KINDS.indexOf(kind), properties)
    const look = kind === 'state' ? brokenAt : expandAt
    return aside(VIOLATIONS, () => pick(level, (log, j) => {
      hit = captured.length = 0
      look(log, j)
      return hit === 1
    }))
  },
  violators(state, properties) {
    seek(1, properties)
    return aside(VIOLATIONS, () => {
      expandAt(state, 0)
      return Int32Array.from(captured)
    })
  },
  predecessors(level, states) {
    targets = states
    slots = new Int32Array(2 << Math.ceil(Math.log2(states.length / W + 1)))
    for (let k = 0; k < states.length / W; k++) {
      let s = hashAt(states, k * W) & (slots.length - 1)
      while (slots[s] !== 0) s = (s + 1) & (slots.length - 1)
      slots[s] = k + 1
    }
    const found = aside(BEFORE, () => pick(level, (log, j) => {
      hit = 0
      expandAt(log, j)
      return hit === 1
    }))
    targets = slots = null
    return found
  },
  orbit(state, thread) {
    orbitOf(thread, state)
    return Int32Array.of(...orbitWords(), image)
  },
  images(state) {
    const all = new Int32Array(THREADS)
    for (let t = 0; t < THREADS; t++) { orbitOf(t, state); all[t] = image }
    return all
  },
  successors(state) {
    return aside(SUCCESSORS, () => {
      expandAt(state, 0)
      return Int32Array.from(captured)
    })
  },
  states() {
    let n = 0
    for (let p = me; p < P; p += workers) n += counts[p]
    const all = new Int32Array(n * W)
    let at = 0
    for (let p = me; p < P; p += workers) {
      if (logs[p] === null) continue
      all.set(logs[p].subarray(0, counts[p] * W), at)
      at += counts[p] * W
    }
    return all
  },
  number() {
    for (let p = 0; p < P; p++) base[p + 1] = base[p] + counts[p]
    return base[P]
  },
  numberOf(state) {
    orbitOf(0, state)
    return orbitIndex()
  },
  stateAt(i) {
    const p = partitionOf(i), j = (i - base[p]) * W
    return logs[p].slice(j, j + W)
  },
  levelOf(i) {
    const p = partitionOf(i)
    let l = starts[p].length - 1
    while (starts[p][l] > i - base[p]) l--
    return l
  },
  threadsAt(state) {
    moving = 0
    aside(COUNT, () => expandAt(state, 0))
    return { started: startedAt(state, 0), can: moving }
  },
  outline(g, from, to) {
    aside(COUNT, () => {
      for (let i = from, p = partitionOf(from); i < to; i++) {
        while (base[p + 1] <= i) p++
        edges = 0; moving = 0
        const j = (i - base[p]) * W
        expandAt(logs[p], j)
        g.offsets[i + 1] = g.offsets[i] + edges
        g.started[i] = startedAt(logs[p], j)
        g.can[i] = moving
      }
    })
  },
  link(g, from, to) {
    graph = g
    edges = g.offsets[from]
    aside(GRAPH, () => {
      for (let i = from, p = partitionOf(from); i < to; i++) {
        while (base[p + 1] <= i) p++
        begun = g.started[i]
        expandAt(logs[p], (i - base[p]) * W)
      }
    })
    graph = null
  },
}`

// SPDX-License-Identifier: GPL-2.0-or-later
/**
 * A simulated kernel: tasks on CPUs take and give back references of a few device pages. Each change of a count is an
 * atomic operation; its event reads the count some time later and is stamped later still, and only then does the
 * caller go on. So the events of one CPU are in order, those of two CPUs may not be.
 */
import { Op } from '../../src/trace/events.ts'
import { type Random, random } from '../random.ts'
import type { ExpectedFault, Fault, HistoryOptions, TrueRow } from './options.ts'
import { canShow, IOCTL, type Kind, putSite, type Rules, rulesOf, SYSCALL } from './protocol-rules.ts'
import { afterPut, type Site, site } from './sites.ts'

const FIRST_PFN = 0xfcf8000
export const FIRST_PID = 100
const MICROSECOND = 1000

interface Task {
  pid: number
  cpu: number
}

interface Change {
  page: number
  op: Op
  val: number
  site: Site
  task: Task
  role: TrueRow['role']
  reference: number
  /** A page table's entry is removed before the put. */
  unmaps?: boolean | undefined
}

type Then = (time: number, ret: number) => void
interface Returned {
  put: Kind['put']
  mapped?: boolean | undefined
}

export class SimulatedKernel {
  readonly rows: TrueRow[] = []
  /** References held, by pfn. */
  readonly held = new Map<number, number>()
  expected: ExpectedFault | undefined
  readonly #options: HistoryOptions
  readonly #rules: Rules
  readonly #random: Random
  readonly #tasks: Task[]
  readonly #counts: number[]
  /** As `_mapcount`: -1 where no page table maps the page. */
  readonly #mapcounts: number[]
  readonly #free: number[]
  /** Pages that a fault has spoilt: never handed out again. */
  readonly #spoilt = new Set<number>()
  readonly #stampedUntil: number[]
  readonly #kinds: Kind[]
  readonly #queue: { time: number; sequence: number; run: (time: number) => void }[] = []
  /** Orders what is planned or happens at one time. */
  #sequence = 0
  #references = 0
  #livesLeft: number
  #handedOut = 0
  #faultDone = false
  #now = 0

  constructor(options: HistoryOptions) {
    this.#options = options
    this.#rules = rulesOf(options.protocol)
    this.#random = random(options.seed)
    this.#tasks = Array.from({ length: options.tasks }, (_, i) => ({ pid: FIRST_PID + i, cpu: i % options.cpus }))
    this.#counts = new Array(options.pages).fill(0)
    this.#mapcounts = new Array(options.pages).fill(-1)
    this.#free = Array.from({ length: options.pages }, (_, page) => page)
    this.#stampedUntil = new Array(options.cpus).fill(0)
    this.#kinds = [...this.#rules.kinds].sort(() => this.#random() - 0.5).slice(0, options.kinds)
    this.#livesLeft = options.lives
  }

  run(): void {
    this.#setup()
    this.#at(this.#now, time => this.#allocate(time))
    this.#drain()
    // Without stacks the end of a pagemap of one page looks like a put too many.
    if (this.#options.teardown && (this.#options.stacks || this.#options.pages > 2))
      this.#teardown(this.#now + MICROSECOND)
    this.#drain()
    this.rows.sort((a, b) => a.time - b.time || a.opTime - b.opTime || a.sequence - b.sequence)
  }

  #at(time: number, run: (time: number) => void): void {
    this.#queue.push({ time, sequence: this.#sequence++, run })
  }

  #drain(): void {
    while (this.#queue.length > 0) {
      let first = 0
      this.#queue.forEach(({ time, sequence }, i) => {
        const best = this.#queue[first]!
        if (time < best.time || (time === best.time && sequence < best.sequence)) first = i
      })
      const [next] = this.#queue.splice(first, 1)
      this.#now = next!.time
      next!.run(this.#now)
    }
  }

  /** Does one change as soon as its CPU is free; `then` runs when the event is stamped: the caller goes on. */
  #change(change: Change, time: number, then: Then = () => {}): void {
    const cpu = change.task.cpu
    if (this.#stampedUntil[cpu]! > time) {
      this.#at(this.#stampedUntil[cpu]!, later => this.#change(change, later, then))
      return
    }
    if (change.unmaps) this.#mapcounts[change.page]!--
    const ret = this.#apply(change)
    const read = time + this.#delay()
    const stamp = read + this.#delay()
    const row = this.#row(change, time, stamp, ret)
    this.#stampedUntil[cpu] = stamp + this.#random.int(20, 60)
    this.#at(read, () => {
      row.count = this.#counts[change.page]!
      row.mapcount = this.#mapcounts[change.page]!
    })
    this.#at(stamp, stamped => then(stamped, ret))
  }

  #row({ page, op, val, site, task, role, reference }: Change, opTime: number, time: number, ret: number): TrueRow {
    const count = this.#counts[page]!
    const stack = this.#options.stacks ? site.stack : undefined
    const pfn = FIRST_PFN + page
    const row = {
      time,
      opTime,
      sequence: this.#sequence++,
      cpu: task.cpu,
      op,
      pid: task.pid,
      pfn,
      val,
      ret,
      count,
      after: count,
      stack,
      role,
      reference,
    }
    this.rows.push(row)
    return row
  }

  #apply({ page, op, val }: Change): number {
    const before = this.#counts[page]!
    if (op === Op.MOD_UNLESS && before === 0) return 0
    const after = op === Op.SET ? val : before + val
    this.#counts[page] = after
    if (op === Op.MOD_AND_TEST) return after === 0 ? 1 : 0
    if (op === Op.MOD_AND_RETURN) return after
    return op === Op.MOD_UNLESS ? 1 : 0
  }

  /** Between the operation and reading the count, and between that and the stamp: mostly short, at times long. */
  #delay(): number {
    const { window } = this.#options
    if (window === 'none') return 1
    const long = window === 'short' ? 2 * MICROSECOND : 20 * MICROSECOND
    return this.#random.int(1, this.#random.chance(0.1) ? long : 100)
  }

  #hold(): number {
    return this.#random.int(200, 20 * MICROSECOND)
  }

  #anyTask(): Task {
    return this.#random.pick(this.#tasks)
  }

  #setup(): void {
    const task = this.#tasks[0]!
    const callers = `memremap_pages+0x3a7 driver:zd_probe+0xc0 ${SYSCALL}`
    const init = site('set', '', '__init_zone_device_page+0x41', `memmap_init_zone_device+0x131 ${callers}`)
    const again = site('set', '', 'memmap_init_zone_device+0x151', callers)
    for (let page = 0; page < this.#options.pages; page++) {
      this.#rules.setup.forEach((val, i) => {
        const change: Change = {
          page,
          op: Op.SET,
          val,
          site: i === 0 ? init : again,
          task,
          role: 'setup',
          reference: -1,
        }
        this.#apply(change)
        this.#now += 100
        const row = this.#row(change, this.#now, this.#now, 0)
        if (i === 0) Object.assign(row, { mapcount: 0, flagsLow: 0 })
      })
    }
    this.#now += 1000 * MICROSECOND
  }

  /** Whether it is time for the fault, and it is one of these; true once. */
  #faulty(...faults: Fault[]): boolean {
    if (this.#faultDone || this.#handedOut <= this.#options.lives / 3) return false
    const fault = this.#options.fault as Fault
    if (!faults.includes(fault) || !canShow(this.#options.protocol, fault)) return false
    this.#faultDone = true
    return true
  }

  #blame(kinds: string[], page: number, functions: string[], optional = false): void {
    this.#spoilt.add(page)
    this.expected = { fault: this.#options.fault as Fault, kinds, pfn: FIRST_PFN + page, functions, optional }
  }

  /** One task after another asks for a page, until as many were handed out as there should be. */
  #allocate(time: number): void {
    if (this.#livesLeft === 0 || this.#spoilt.size === this.#options.pages) return
    this.#at(time + this.#random.int(200, 8 * MICROSECOND), later => this.#allocate(later))
    if (this.#free.length === 0) return
    this.#livesLeft--
    this.#handedOut++
    const [page] = this.#free.splice(this.#random.int(0, this.#free.length - 1), 1)
    const task = this.#anyTask()
    const reference = this.#take(page!)
    const { alloc } = this.#rules
    if (alloc === undefined) {
      this.#live(page!, task, reference, time)
    } else if (this.#faulty('no-init')) {
      this.#blame(['get-on-free-page', 'put-on-free-page'], page!, this.#everybody())
      this.#live(page!, task, reference, time)
    } else {
      const [op, val, where] = alloc
      const change: Change = { page: page!, op, val, site: where, task, role: 'alloc', reference }
      this.#change(change, time, stamped => {
        if (this.#rules.rootMapped) this.#mapcounts[page!]!++
        this.#live(page!, task, reference, stamped)
      })
    }
  }

  /** A hand-out that changes no count shows in whatever change comes first, or is first to find the count wrong. */
  #everybody(): string[] {
    const { mapping, kinds, root } = this.#rules
    const all = mapping === undefined ? kinds : [mapping, ...kinds]
    const sites = all.flatMap(kind => [...kind.get.map(([, , where]) => where), ...kind.put[2]])
    return [...sites, ...root[2]].map(where => where.function)
  }

  #take(page: number): number {
    const pfn = FIRST_PFN + page
    this.held.set(pfn, (this.held.get(pfn) ?? 0) + 1)
    return this.#references++
  }

  /** A page in use, from the reference that it was handed out with to the last put. */
  #live(page: number, task: Task, reference: number, time: number): void {
    const { mapping, root, alloc } = this.#rules
    const own: Returned = { put: root, mapped: this.#rules.rootMapped }
    let end = (at: number) => this.#giveBack(page, own, task, reference, at)
    if (this.#faulty('driver-leak')) {
      this.#blame(['leak'], page, [alloc![2].function])
      end = () => {}
    }
    if (mapping) this.#use(page, mapping, task, time, at => this.#at(at + 50, end), 0)
    else this.#children(page, time, at => this.#at(Math.max(at, time + this.#hold()), end), 1)
  }

  /** References taken while another one is held; `done` runs when all have been taken. */
  #children(page: number, time: number, done: (time: number) => void, depth: number): void {
    const n = this.#kinds.length === 0 ? 0 : this.#random.int(0, depth === 1 ? 3 : 1)
    let pending = n
    if (n === 0) done(time)
    for (let i = 0; i < n; i++) {
      const kind = this.#random.pick(this.#kinds)
      const taken = (at: number) => {
        if (--pending === 0) done(at)
      }
      this.#at(time + this.#random.int(50, 10 * MICROSECOND), start =>
        this.#use(page, kind, this.#anyTask(), start, taken, depth),
      )
    }
  }

  /** Takes a reference, holds it, perhaps with others below it, and gives it back; `taken` runs once it is taken. */
  #use(page: number, kind: Kind, task: Task, time: number, taken: (time: number) => void, depth: number): void {
    const reference = this.#take(page)
    const leaks = !kind.mapped && this.#faulty('leak')
    const steps = leaks && this.#options.faultSite === 'own' ? [LEAKY_GET] : kind.get
    if (leaks) this.#blame(['leak'], page, [steps[0]![2].function])
    const put = (at: number) => this.#giveBack(page, kind, kind.own ? task : this.#anyTask(), reference, at)
    const step = (i: number, at: number): void => {
      const [op, val, where] = steps[i]!
      this.#change({ page, op, val, site: where, task, role: 'get', reference }, at, (stamped, ret) => {
        if (op === Op.MOD_UNLESS && ret === 0) {
          this.#drop(page)
          taken(stamped)
        } else if (i + 1 < steps.length) step(i + 1, stamped)
        else {
          if (kind.mapped) this.#mapcounts[page]!++
          taken(stamped)
          if (!leaks) this.#held(page, stamped, put, depth)
        }
      })
    }
    step(0, time)
  }

  #held(page: number, since: number, put: (time: number) => void, depth: number): void {
    const end = (at: number) => this.#at(Math.max(at, since + this.#hold()), put)
    if (depth < 2) this.#children(page, since, end, depth + 1)
    else end(since)
  }

  #drop(page: number): number {
    const left = this.held.get(FIRST_PFN + page)! - 1
    this.held.set(FIRST_PFN + page, left)
    return left
  }

  #giveBack(page: number, kind: Returned, task: Task, reference: number, time: number): void {
    const [op, val, sites] = kind.put
    const where = this.#random.pick(sites)
    const change: Change = { page, op, val, site: where, task, role: 'put', reference, unmaps: kind.mapped }
    this.#change(change, time, (stamped, ret) => {
      const left = this.#drop(page)
      if (this.#frees(op, ret, left)) this.#freed(change, stamped)
      else if (left > 0 && val === -1 && this.#faulty('surplus-put-early')) this.#putAgain(change, stamped)
    })
  }

  /** Whether the core takes a put for the last one. GENERIC pages with an idle count of 1 have no last put of their own. */
  #frees(op: Op, ret: number, left: number): boolean {
    if (op === Op.MOD_AND_RETURN) return ret === this.#rules.freeAt
    return this.#rules.freeAt === 0 ? ret === 1 : left === 0
  }

  /** The put that should not be: by a site of its own, or by the same one a second time. */
  #putAgain(change: Change, time: number): void {
    const own = putSite(change.op, 'driver:zd_bug_second_put+0x14', IOCTL)
    const where = this.#options.faultSite === 'own' ? own : change.site
    // Where being handed out changes no count, a put too many looks like the last put of a life of its own.
    this.#blame(['surplus-put', 'put-on-free-page'], change.page, [where.function], this.#rules.alloc === undefined)
    this.#change({ ...change, site: where, reference: -1, unmaps: false }, time, (stamped, ret) => {
      if (this.#rules.resetTo !== undefined && ret === 1) this.#reset({ ...change, site: where }, stamped, () => {})
    })
  }

  /** What the core does after the last put, then the page is free. */
  #freed(put: Change, time: number): void {
    if (this.#rules.resetTo === undefined) this.#idle(put, time)
    else this.#reset(put, time, at => this.#idle(put, at))
  }

  #reset({ page, site: put, task }: Change, time: number, then: (time: number) => void): void {
    const change: Change = {
      page,
      op: Op.SET,
      val: this.#rules.resetTo!,
      site: afterPut(put),
      task,
      role: 'reset',
      reference: -1,
    }
    this.#change(change, time, then)
  }

  #idle(put: Change, time: number): void {
    if (this.#spoilt.has(put.page)) return
    if (this.#faulty('surplus-put')) this.#putAgain(put, time)
    else if (this.#faulty('stale-get', 'stale-get-put')) this.#staleGet(put, time)
    // An allocation that sets the count repairs it; the others are spoilt for good.
    if (!this.#spoilt.has(put.page) || this.#allocSets())
      this.#at(time + 3 * MICROSECOND, () => this.#free.push(put.page))
  }

  #allocSets(): boolean {
    return this.#rules.alloc?.[0] === Op.SET && this.#options.fault !== 'stale-get-put'
  }

  #staleGet({ page, task }: Change, time: number): void {
    const kind = this.#rules.kinds[0]!
    const where = this.#options.faultSite === 'own' ? STALE_GET : kind.get[0]![2]
    const withPut = this.#options.fault === 'stale-get-put'
    // With an idle count of 1 it looks like an allocation, but for its site.
    const looksAllocated = this.#rules.idle === 1
    const kinds = looksAllocated && !withPut ? ['get-on-free-page', 'leak'] : ['get-on-free-page']
    this.#blame(kinds, page, [where.function], looksAllocated)
    const get: Change = { page, op: Op.MOD, val: 1, site: where, task, role: 'get', reference: -2 }
    this.#change(get, time, stamped => {
      const [op, , sites] = kind.put
      const put: Change = { ...get, op, val: -1, site: sites[0]!, role: 'put' }
      if (withPut) this.#at(stamped + this.#hold(), later => this.#change(put, later))
    })
  }

  /** The pagemap goes: by protocol A each page is put once more, by the others eviction looks at every page. */
  #teardown(time: number): void {
    const task = this.#tasks[0]!
    const callers = `driver:zd_remove+0x2d ${SYSCALL}`
    const isA = this.#options.protocol === 'A'
    const last = putSite(Op.MOD_AND_RETURN, 'memunmap_pages+0xb5', callers)
    const look = site('mod_unless', '', 'migrate_device_range+0x5e', callers)
    const next = (page: number, at: number): void => {
      if (page === this.#options.pages) return
      if (isA) {
        const put: Change = { page, op: Op.MOD_AND_RETURN, val: -1, site: last, task, role: 'teardown', reference: -1 }
        this.#change(put, at, stamped => next(page + 1, stamped))
      } else if (this.#rules.idle === 0 && this.#counts[page] === 0) {
        const nothing: Change = { page, op: Op.MOD_UNLESS, val: 1, site: look, task, role: 'nothing', reference: -1 }
        this.#change(nothing, at, stamped => next(page + 1, stamped))
      } else next(page + 1, at)
    }
    next(0, time)
  }
}

const LEAKY_GET: Kind['get'][number] = [Op.MOD, 1, site('mod', '', 'driver:zd_bug_leak_get+0x10', IOCTL)]
const STALE_GET = site('mod', '', 'driver:zd_bug_stale_get+0x10', IOCTL)

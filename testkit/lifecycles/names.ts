// SPDX-License-Identifier: GPL-2.0-or-later
/** Draws names that do not reveal the role of a function, and stacks like those of a real kernel. */

import { type Frame, Op } from '../../src/trace/events.ts'
import type { Random } from '../random.ts'
import type { Way } from './kernel.ts'

const HEADS = ['b', 'br', 'd', 'dr', 'f', 'g', 'k', 'kl', 'l', 'm', 'n', 'p', 'pl', 'r', 's', 'st', 't', 'tr', 'v', 'z']
const VOWELS = ['a', 'e', 'i', 'o', 'u', 'ai', 'ou']
const TAILS = ['', 'n', 'r', 'x', 'm', 'lt', 'sk', 'th']

const KERNEL_TEXT = 0xffffffff81000000n
const MODULE_TEXT = 0xffffffffc0200000n
const FUNCTION_BYTES = 0x1000n

/** A call site that changes counts, with the driver's functions that call it. */
export interface Site {
  id: number
  function: string
  frames: readonly Frame[]
}

const FROM: Record<Way, string> = {
  task: '__x64_sys_ioctl+0x8a do_syscall_64+0x51 entry_SYSCALL_64_after_hwframe+0x76',
  work: 'process_one_work+0x178 worker_thread+0x266 kthread+0xd2 ret_from_fork+0x34 ret_from_fork_asm+0x1a',
  softirq: 'handle_softirqs+0xd3 __irq_exit_rcu+0x98 common_interrupt+0x85 asm_common_interrupt+0x26',
  timer:
    'call_timer_fn+0x24 __run_timers+0x1e7 run_timer_softirq+0x2f handle_softirqs+0xd3 __irq_exit_rcu+0x98 sysvec_apic_timer_interrupt+0x71 asm_sysvec_apic_timer_interrupt+0x1a',
  rcu: 'rcu_do_batch+0x1c6 rcu_core+0x16f handle_softirqs+0xd3 __irq_exit_rcu+0x98 sysvec_apic_timer_interrupt+0x71 asm_sysvec_apic_timer_interrupt+0x1a',
}
const IDLE = 'default_idle+0xb default_idle_call+0x30 do_idle+0x1f2 cpu_startup_entry+0x29'
const INIT = 'memremap_pages+0x3a7'
const EVENTS = ['set', 'mod', 'mod_and_test', 'mod_and_return', 'mod_unless']

export class Names {
  readonly module: string
  readonly #random: Random
  readonly #taken = new Set<string>()
  readonly #starts = new Map<string, bigint>()
  readonly #frames = new Map<string, Frame>()
  readonly #stacks = new Map<string, readonly Frame[]>()
  #sites = 0

  constructor(random: Random) {
    this.#random = random
    this.module = this.word()
  }

  word(): string {
    const { pick, int } = this.#random
    for (;;) {
      let word = ''
      for (let n = int(1, 3); n >= 0; n--) word += pick(HEADS) + pick(VOWELS)
      word += pick(TAILS)
      if (this.#taken.has(word)) continue
      this.#taken.add(word)
      return word
    }
  }

  /** Draws a new function of the driver. */
  function(): string {
    return this.#random.chance(0.7) ? `${this.module}_${this.word()}` : this.word()
  }

  /** Makes a call site in a function. @param callers functions of the driver, innermost first */
  site(acting: string, callers: readonly string[]): Site {
    const frames = [acting, ...callers].map(name => this.#own(name))
    return { id: this.#sites++, function: acting, frames }
  }

  #own(name: string): Frame {
    return this.#frame(name, this.#random.int(4, 0xf0) * 4, this.module)
  }

  #kernel(text: string): Frame {
    const [name, offset] = text.split('+') as [string, string]
    return this.#frame(name, Number(offset), undefined)
  }

  #frame(name: string, offset: number, module: string | undefined): Frame {
    const key = `${name}+${offset}`
    let frame = this.#frames.get(key)
    if (frame === undefined) {
      let start = this.#starts.get(name)
      if (start === undefined) {
        start = (module ? MODULE_TEXT : KERNEL_TEXT) + FUNCTION_BYTES * BigInt(this.#starts.size + 1)
        this.#starts.set(name, start)
      }
      frame = { address: start + BigInt(offset), name, offset, module }
      this.#frames.set(key, frame)
    }
    return frame
  }

  /** The whole stack of an event: `helper` is the kernel's function that the driver calls for the change, if any. */
  stack(op: Op, helper: string, site: Site, way: Way, idle: boolean): readonly Frame[] {
    const key = `${op} ${helper} ${site.id} ${way} ${idle}`
    let stack = this.#stacks.get(key)
    if (stack === undefined) {
      const below = way === 'task' || way === 'work' ? '' : ` ${idle ? IDLE : FROM.task}`
      stack = [...this.#top(op, helper), ...site.frames, ...this.#list(FROM[way] + below)]
      this.#stacks.set(key, stack)
    }
    return stack
  }

  /** The stack of the pagemap's set-up, which sets each count once or twice. */
  setUp(second: boolean, site: Site): readonly Frame[] {
    const way = second ? 'memmap_init_zone_device+0x151' : '__init_zone_device_page+0x41 memmap_init_zone_device+0x131'
    return [...this.#top(Op.SET, ''), ...this.#list(`${way} ${INIT}`), ...site.frames, ...this.#list(FROM.task)]
  }

  #list(texts: string): Frame[] {
    return texts.split(' ').map(text => this.#kernel(text))
  }

  #top(op: Op, helper: string): Frame[] {
    const template = op === Op.SET || op === Op.MOD ? 'page_ref_mod_template' : 'page_ref_mod_and_test_template'
    const texts = `trace_event_raw_event_${template}+0xd0 __page_ref_${EVENTS[op]}+0x3e`
    return this.#list(helper === '' ? texts : `${texts} ${helper}`)
  }
}

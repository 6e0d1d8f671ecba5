// SPDX-License-Identifier: GPL-2.0-or-later
/** A driver whose pages' counts are watched, for tests of what is found in such recordings. */
import { type Account, account } from '../../src/ledger/account.ts'
import type { OpenOptions } from '../../src/trace/events.ts'
import { type KernelFunction, WatchMachine } from '../../testkit/writers/watch-machine.ts'

/** A driver that three tasks use: it submits and completes, peeks and lets go, fills and drains. */
export class Driver {
  readonly machine: WatchMachine
  readonly submit: KernelFunction
  readonly complete: KernelFunction
  readonly peek: KernelFunction
  readonly unpeek: KernelFunction
  readonly fill: KernelFunction
  readonly drain: KernelFunction

  /** @param step nanoseconds between two changes: by default longer than any stamp is late */
  constructor(starts: readonly number[] = [1, 1, 1, 1], step = 1_000_000) {
    const machine = new WatchMachine(starts, { step })
    this.machine = machine
    this.submit = machine.fn('ring_submit', 'get')
    this.complete = machine.fn('ring_complete', 'put')
    this.peek = machine.fn('ring_peek', 'tryGet')
    this.unpeek = machine.fn('ring_unpeek', 'put')
    this.fill = machine.fn('ring_fill', 'add')
    this.drain = machine.fn('ring_drain', 'sub')
  }

  /** Rounds of all three on pages in turn. @param pids of the tasks that submit, in turn */
  rounds(count: number, pages = this.machine.counts.length, pids: readonly number[] = [11]): void {
    const { machine } = this
    for (let i = 0; i < count; i++) {
      const page = i % pages
      const [fills, peeks] = [i % 3 > 0, i % 5 > 1]
      const n = 2 + (i & 1)
      const pid = pids[i % pids.length]!
      machine.run(this.submit, page, { pid, cpu: 0 })
      if (peeks) machine.run(this.peek, page, { pid: 12, cpu: 1 })
      if (fills) machine.run(this.fill, page, { pid: 13, cpu: 1, n })
      if (peeks) machine.run(this.unpeek, page, { pid: 12, cpu: 1 })
      machine.run(this.complete, page, { pid, cpu: 0 })
      if (fills) machine.run(this.drain, page, { pid: 13, cpu: 1, n })
    }
  }

  async account(options: OpenOptions = {}): Promise<Account> {
    return account(await this.machine.open(options))
  }
}

/** Who is accused of what, on which page. */
export const accused = ({ findings }: Account) =>
  findings
    .filter(({ kind }) => kind !== 'held-at-end')
    .map(({ kind, pfn, culprit }) => [kind, pfn, culprit?.frame?.name])

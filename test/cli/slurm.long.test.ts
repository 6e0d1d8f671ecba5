// SPDX-License-Identifier: GPL-2.0-or-later
// The array jobs of docs/fleet.md, as Slurm runs them: controller, node and authentication on this machine, for this test alone.
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { availableParallelism, tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { daemon } from '../../testkit/data.ts'
import { needs } from '../support/needs.ts'
import { root } from '../web/built.ts'

const cli = join(root, 'dist/cli/main.js')
const scripts = [...readFileSync(join(root, 'docs/fleet.md'), 'utf8').matchAll(/```sh\n(#!\/bin\/sh\n.*?)```/gs)].map(
  match => match[1]!,
)
const scriptOf = (command: string) => scripts.find(text => text.includes(command))!

/** Two ports that nobody listens on. */
async function freePorts(): Promise<number[]> {
  const servers = [createServer(), createServer()]
  const ports: number[] = []
  for (const server of servers) {
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    ports.push((server.address() as { port: number }).port)
  }
  for (const server of servers) await new Promise(resolve => server.close(resolve))
  return ports
}

/** A cluster of one node. */
class Cluster {
  readonly folder = mkdtempSync(join(tmpdir(), 'lastput-slurm-'))
  readonly #daemons: ChildProcess[] = []

  async start(): Promise<void> {
    for (const name of ['state', 'spool', 'bin']) mkdirSync(this.#path(name))
    chmodSync(this.folder, 0o755)
    writeFileSync(this.#path('bin/lastput'), `#!/bin/sh\nexec '${process.execPath}' '${cli}' "$@"\n`, { mode: 0o755 })
    writeFileSync(this.#path('munge.key'), randomBytes(1024), { mode: 0o400 })
    const [controller, node] = await freePorts()
    writeFileSync(this.#path('slurm.conf'), this.#config(controller!, node!))
    this.#spawn('munged', '--foreground', '--force', `--socket=${this.#path('munge.socket')}`, ...this.#mungeFiles())
    this.#spawn('slurmctld', '-D', '-c', '-f', this.#path('slurm.conf'))
    this.#spawn('slurmd', '-D', '-N', 'localhost', '-f', this.#path('slurm.conf'))
    for (let left = 100; !/idle/.test(this.run('sinfo', '--noheader', '--format=%T').stdout); left--) {
      if (left === 0) throw new Error(`the node does not come up:\n${this.run('sinfo').stderr}`)
      await new Promise(resolve => setTimeout(resolve, 300))
    }
  }

  /** Runs a program as a user of the cluster does. */
  run(command: string, ...args: string[]) {
    const env = {
      ...process.env,
      SLURM_CONF: this.#path('slurm.conf'),
      PATH: `${this.#path('bin')}:${process.env.PATH}`,
    }
    return spawnSync(command, args, { cwd: this.folder, env, encoding: 'utf8' })
  }

  async stop(): Promise<void> {
    for (const daemon of this.#daemons) {
      daemon.kill('SIGTERM')
      if (daemon.exitCode === null) await new Promise(resolve => daemon.once('exit', resolve))
    }
    rmSync(this.folder, { recursive: true, force: true })
  }

  #path(name: string): string {
    return join(this.folder, name)
  }

  #spawn(command: string, ...args: string[]): void {
    this.#daemons.unshift(spawn(command, args, { stdio: 'ignore', cwd: this.folder }))
  }

  #mungeFiles(): string[] {
    return ['key', 'log', 'pid', 'seed'].map(name => `--${name}-file=${this.#path(`munge.${name}`)}`)
  }

  #config(controller: number, node: number): string {
    const user = userInfo().username
    return `ClusterName=lastput
SlurmctldHost=localhost
SlurmUser=${user}
SlurmdUser=${user}
AuthType=auth/munge
AuthInfo=socket=${this.#path('munge.socket')}
StateSaveLocation=${this.#path('state')}
SlurmdSpoolDir=${this.#path('spool')}
SlurmctldPidFile=${this.#path('slurmctld.pid')}
SlurmdPidFile=${this.#path('slurmd.pid')}
SlurmctldLogFile=${this.#path('slurmctld.log')}
SlurmdLogFile=${this.#path('slurmd.log')}
SlurmctldPort=${controller}
SlurmdPort=${node}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
MpiDefault=none
NodeName=localhost CPUs=${availableParallelism()}
PartitionName=all Nodes=ALL Default=YES State=UP
`
  }
}

needs(...['munged', 'slurmctld', 'slurmd', 'sbatch'].map(daemon)).describe('on a cluster', () => {
  const cluster = new Cluster()
  beforeAll(() => cluster.start())
  afterAll(() => cluster.stop())

  /** Hands in a script, and waits until all its tasks have ended. */
  function submit(script: string, array: string) {
    writeFileSync(join(cluster.folder, 'job.sbatch'), script)
    const { status, stdout, stderr } = cluster.run('sbatch', '--wait', `--array=${array}`, 'job.sbatch')
    expect([status, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/^Submitted batch job \d+/)
  }

  test('the recordings of a folder', () => {
    mkdirSync(join(cluster.folder, 'recordings'))
    for (const name of ['leak-6.12', 'ok-7.3', 'surplus-put-5.10'])
      cpSync(join(root, 'examples', name, 'trace.dat'), join(cluster.folder, `recordings/${name}.dat`))
    submit(scriptOf('lastput trace'), '1-2')
    const { status, stdout } = cluster.run('lastput', 'merge', 'trace-1.json', 'trace-2.json')
    expect(status).toBe(1)
    expect(stdout).toMatch(/^3 recordings: findings in 2; /)
  })

  test('a matrix in parts is the matrix', () => {
    // The whole matrix takes minutes; that of one driver has the same form.
    submit(scriptOf('--matrix').replace('check --matrix', 'check device_dax --matrix'), '1-3')
    const merged = cluster.run('lastput', 'merge', ...[1, 2, 3].map(task => `matrix-${task}.json`))
    const whole = execFileSync(process.execPath, [cli, 'check', 'device_dax', '--matrix'], { encoding: 'utf8' })
    // The last column is how long it took.
    const table = (text: string) => text.replace(/ +[\d.,]+(?: s)?$/gm, '')
    expect(table(merged.stdout)).toBe(table(whole))
  })
})

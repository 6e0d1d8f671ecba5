// SPDX-License-Identifier: GPL-2.0-or-later
/** `lastput open`: serves the viewer and opens it in the browser. */
import { spawn } from 'node:child_process'
import { Command } from 'commander'
import { serveViewer } from '../node/serve.ts'
import { guarded } from './errors.ts'
import { Exit } from './exit-codes.ts'
import { refuseUnshowable } from './showable.ts'

const NOTES = `
It is served on 127.0.0.1 only, on a free port and behind a random token, until
Ctrl-C. The file is read in the browser; nothing leaves this machine.

Examples:
  lastput open trace.dat             a recording, page by page
  lastput open vmcore                a memory dump: a map of its device pages
  lastput open report.html           a report written by --html
  lastput open verdicts.json         JSON of lastput trace, core or check
  lastput open --no-browser          prints the address, for any browser

Exit codes: 0 ended by Ctrl-C, 2 wrong usage, or a file that cannot be used.`

export function openCommand(): Command {
  return new Command('open')
    .description('show a recording, a dump, a report or a result in the browser')
    .argument(
      '[file]',
      'trace.dat, perf.data, ftrace text, vmcore, a report or JSON of lastput; without it, the first screen',
    )
    .option('--no-browser', 'only print the address')
    .addHelpText('after', NOTES)
    .action((file: string | undefined, flags: { browser: boolean }) => guarded('open', () => open(file, flags.browser)))
}

async function open(file: string | undefined, browser: boolean): Promise<Exit> {
  if (file !== undefined) await refuseUnshowable(file)
  const served = await serveViewer(file)
  // The handlers are installed before the address is printed, because whoever reads it may send a signal at once.
  const told = new Promise<void>(resolve => {
    process.once('SIGINT', resolve)
    process.once('SIGTERM', resolve)
  })
  process.stdout.write(`${served.url}\n`)
  if (browser) startBrowser(served.url)
  await told
  await served.close()
  return Exit.CLEAN
}

/** Starts the system's browser. A failure is ignored, since the address has been printed. */
function startBrowser(url: string): void {
  const [command, ...args] =
    process.platform === 'darwin'
      ? ['open', url]
      : process.platform === 'win32'
        ? ['rundll32', 'url.dll,FileProtocolHandler', url]
        : ['xdg-open', url]
  const child = spawn(command!, args, { detached: true, stdio: 'ignore' })
  child.on('error', () => process.stderr.write(`lastput open: no browser could be started; open the address above\n`))
  child.unref()
}

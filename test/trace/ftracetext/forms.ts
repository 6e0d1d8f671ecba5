// SPDX-License-Identifier: GPL-2.0-or-later
/** The forms in which people hand on a text of ftrace: what a mail, a log, a terminal or a web page makes of it. */
import { gzipSync } from 'node:zlib'

type Form = (lines: readonly string[]) => string

const each =
  (of: (line: string, i: number) => string): Form =>
  lines =>
    `${lines.map(of).join('\n')}\n`
const around =
  (before: string, after: string): Form =>
  lines =>
    `${before}${lines.join('\n')}\n${after}`

const escaped = (line: string) => line.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
const stamp = (i: number) => `${309 + Math.floor(i / 1e6)}.${String(i % 1_000_000).padStart(6, '0')}`
const isEvent = (line: string) => line.includes('page_ref_')

/** Breaks a line at the last blank before a width, as mail programs do. */
function broken(line: string, width: number): string {
  if (line.length <= width) return line
  const at = line.lastIndexOf(' ', width)
  return at < 60 ? line : `${line.slice(0, at)}\n${broken(line.slice(at + 1), width)}`
}

const quotedPrintable = (line: string) =>
  line
    .replaceAll('=', '=3D')
    .replace(/.{70}/g, part => `${part}=\n`)
    .replace(/=(=\n)([0-9A-F]{2})/g, '$1=$2')
    .replace(/=3(=\n)D/g, '$1=3D')

/** By name. Each takes the lines as `trace-cmd report` prints them. */
export const FORMS: Readonly<Record<string, Form>> = {
  'as it is': around('', ''),
  'after the line of an old trace-cmd': around('version = 6\nCPU 3 is empty\n', ''),
  'after a prompt and before one': around('root@vm:~# trace-cmd report\n', 'root@vm:~# \n'),
  'in a Markdown fence': around('```text\n', '```\n'),
  'with a signature': around('Hi,\nthis is what I see:\n\n', '\n-- \nJane Doe <jane@example.org>\n'),
  'as script records it': around(
    'Script started on 2026-04-28 12:00:01+00:00 [TERM="xterm"]\n',
    '\nScript done on 2026-04-28\n',
  ),
  'quoted in a mail': each(line => `> ${line}`),
  'quoted twice': each(line => `>> ${line}`),
  'quoted twice, with blanks': each(line => `> > ${line}`),
  'quoted, with a remark in between': lines => {
    const at = lines.findIndex((line, i) => i > lines.length / 2 && isEvent(line))
    const quoted = lines.map(line => `> ${line}`)
    return ['On Tuesday, Jane wrote:', ...quoted.slice(0, at), '', 'This is odd.', '', ...quoted.slice(at), ''].join(
      '\n',
    )
  },
  'indented by a tab': each(line => `\t${line}`),
  'indented by four blanks': each(line => `    ${line}`),
  'without the blanks in front': each(line => line.trimStart()),
  'with blanks collapsed': each(line => line.trim().replace(/ +/g, ' ')),
  'with the stamps of dmesg': each((line, i) => `[  ${stamp(i)}] ${line}`),
  'with the stamps of dmesg -T': each(line => `[Tue Apr 28 12:00:01 2026] ${line}`),
  'with levels, stamps and callers': each((line, i) => `<4>[  ${stamp(i)}][  T123] ${line}`),
  'from journalctl -k': each(line => `Apr 28 12:00:01 testvm kernel: ${line}`),
  'from journalctl -o short-iso': each(line => `2026-04-28T12:00:01+0000 testvm kernel: ${line}`),
  'from kern.log': each((line, i) => `Apr 28 12:00:01 testvm kernel: [  ${stamp(i)}] ${line}`),
  'from rsyslog': each((line, i) => `2026-04-28T12:00:01.123456+00:00 testvm kernel: [  ${stamp(i)}] ${line}`),
  'from a CI log': each(line => `2026-04-28T12:00:01.1234567Z ${line}`),
  'from ts': each((line, i) => `Apr 28 12:00:${String(i % 60).padStart(2, '0')} ${line}`),
  'from docker compose': each(line => `vm_1  | ${line}`),
  'from a test in TAP': each(line => `# ${line}`),
  'from grep -n': each((line, i) => `${i + 1}:${line}`),
  'from grep -H': each(line => `trace.txt:${line}`),
  'from grep -Hn': each((line, i) => `logs/trace.txt:${i + 1}:${line}`),
  'from grep -Hn with context': each(
    (line, i) => `trace.txt${isEvent(line) ? ':' : '-'}${i + 1}${isEvent(line) ? ':' : '-'}${line}`,
  ),
  'from cat -n': each((line, i) => `${String(i + 1).padStart(6)}\t${line}`),
  'from vim with numbers': each((line, i) => `${String(i + 1).padStart(5)} ${line}`),
  'in a numbered list': each((line, i) => `${i + 1}. ${line}`),
  'with milliseconds since 1970': each((line, i) => `${1_777_377_601_000 + i} ${line}`),
  'with the time since the start': each((line, i) => `+${(i / 1000).toFixed(3)}s ${line}`),
  'with the stamps of a CI log, as escapes': each((line, i) => `\x1b_bk;t=${1_777_377_601_000 + i}\x07${line}`),
  'as a list in JSON': lines => JSON.stringify(lines, null, 1),
  'as lines of JSON': each(line => JSON.stringify({ MESSAGE: line, PRIORITY: '4' })),
  'as a list in Python': lines => `[${lines.map(line => `'${line}'`).join(',\n ')}]\n`,
  'as a table in CSV': each((line, i) => `${i},"${line}"`),
  'from the machine interface of gdb': each(line => `~"${line}\\n"`),
  'with the arrows of a word processor': each(line => line.replaceAll('=>', '\u21d2').replaceAll('...', '\u2026')),
  'from diff': each(line => `+${line}`),
  'quoted, of a kernel log': each((line, i) => `> [  ${stamp(i)}] ${line}`),
  'escaped for a web page': each(escaped),
  'escaped, in a page': lines => `<html><body><pre>\n${lines.map(escaped).join('\n')}\n</pre></body></html>\n`,
  'escaped, in a table of a page': lines =>
    `<table>\n${lines.map((line, i) => `<tr><td>${i}</td><td>${escaped(line)}</td></tr>`).join('\n')}\n</table>\n`,
  'with no-break spaces': each(line => line.replaceAll(' ', '\u00a0')),
  'with the colours of grep': each(line => line.replace(/page_ref_\w+/, '\x1b[01;31m\x1b[K$&\x1b[m\x1b[K')),
  'with carriage returns': each(line => `${line}\r`),
  'from a serial console': each(line => `${line}\r\r`),
  'after a byte order mark': around('\ufeff', ''),
  'in quoted-printable': each(quotedPrintable),
  'with a blank line after each': lines => `${lines.join('\n\n')}\n`,
  'with carriage returns alone': lines => `${lines.join('\r')}\r`,
  'in a box': each(line => `│ ${line.padEnd(160)} │`),
  'from a chat': each((line, i) => `12:00:${String(i % 60).padStart(2, '0')} <jane> ${line}`),
  'quoted, and then broken by a mail program': each(line => (isEvent(line) ? broken(`> ${line}`, 96) : `> ${line}`)),
  'with lines broken by a mail program': each(line => (isEvent(line) ? broken(line, 96) : line)),
}

/** Bytes of a text in forms that are no matter of lines. */
export const ENCODINGS: Readonly<Record<string, (text: string) => Uint8Array>> = {
  'in UTF-16 with a mark': text => new Uint8Array(Buffer.from(`\ufeff${text}`, 'utf16le')),
  'in UTF-16 without': text => new Uint8Array(Buffer.from(text, 'utf16le')),
  'packed by gzip': text => gzipSync(text),
}

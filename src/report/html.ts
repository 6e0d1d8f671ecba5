// SPDX-License-Identifier: GPL-2.0-or-later
/** A report as one HTML file that needs nothing else: the viewer, its style and the data. */
import { printable } from './printable.ts'

/** The viewer as `npm run build` bundles it from web/. */
export interface ViewerBundle {
  script: string
  style: string
}

/** A whole recording that is embedded in the report, and read again when the report is opened. */
export interface WholeRecording {
  name: string
  bytes: Uint8Array
  /** Options for reading it, in the form of the viewer's request. */
  options: object
  /** Script that reads it. */
  worker: string
}

/**
 * @param data what `--json` would write
 * @param title shown by the browser until the viewer has its own
 * @param whole makes a report that also shows every page over time
 */
export async function reportHtml(
  data: unknown,
  title: string,
  { script, style }: ViewerBundle,
  whole?: WholeRecording,
): Promise<string> {
  for (const [text, end] of [
    [script, '</script'],
    [script, '<!--'],
    [style, '</style'],
    [whole?.worker ?? '', '</script'],
    [whole?.worker ?? '', '<!--'],
  ] as const)
    if (text.toLowerCase().includes(end)) throw new Error(`the viewer's bundle has a ${end} in it`)
  // Only the viewer's script and style may run or be loaded, even if a name in the data contains HTML.
  const policy = [
    "default-src 'none'",
    // The readers compile their decoders, and unpack zstd in WebAssembly that they fetch out of themselves.
    `script-src '${await hash(script)}'${whole ? " 'unsafe-eval'" : ''}`,
    ...(whole ? ['worker-src blob:', 'connect-src data:'] : []),
    `style-src '${await hash(style)}'`,
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ')
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>${escapeText(printable(title))}</title>
<style>${style}</style>
</head>
<body>
<noscript>This report is drawn by a script that it holds; lastput's --json has the same as data.</noscript>
<script type="application/json" id="lastput-data">${embeddable(data)}</script>
${whole ? wholeElements(whole) : ''}<script type="module">${script}</script>
</body>
</html>
`
}

function wholeElements({ name, bytes, options, worker }: WholeRecording): string {
  return `<script type="text/plain" id="lastput-worker">${worker}</script>
<script type="application/json" id="lastput-recording">${embeddable({ name, options, base64: base64(bytes) })}</script>
`
}

/** Encodes bytes as base64, in chunks because a call takes a limited number of arguments. */
function base64(bytes: Uint8Array): string {
  const parts: string[] = []
  const PIECE = 3 * 8192
  for (let at = 0; at < bytes.length; at += PIECE)
    parts.push(btoa(String.fromCharCode(...bytes.subarray(at, at + PIECE))))
  return parts.join('')
}

/** Returns JSON that can be embedded in HTML: it contains neither the end of its element nor, for scripts, a line terminator. */
export function embeddable(data: unknown): string {
  return JSON.stringify(data).replace(
    /[<\u2028\u2029]/g,
    each => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

function escapeText(text: string): string {
  return text.replace(/[&<>"]/g, each => `&#${each.charCodeAt(0)};`)
}

async function hash(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return `sha256-${btoa(String.fromCharCode(...new Uint8Array(digest)))}`
}

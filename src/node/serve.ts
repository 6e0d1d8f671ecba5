// SPDX-License-Identifier: GPL-2.0-or-later
/** Serves the viewer, with one file in it, to the browser of this machine: on loopback only, and protected by a token. */
import { randomBytes } from 'node:crypto'
import { createReadStream, readdirSync, readFileSync, statSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { basename } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { printable } from '../report/printable.ts'
import { VIEWER_FOLDER } from './viewer.ts'

const LOOPBACK = '127.0.0.1'

const BYTES = 'application/octet-stream'

/** The files of the viewer with their media types. Nothing else is served. */
function viewerFiles(): ReadonlyMap<string, string> {
  const examples = readdirSync(`${VIEWER_FOLDER}examples`)
  return new Map([
    ['index.html', 'text/html; charset=utf-8'],
    ['viewer.js', 'text/javascript; charset=utf-8'],
    ['viewer.css', 'text/css; charset=utf-8'],
    ['worker.js', 'text/javascript; charset=utf-8'],
    ...examples.map(name => [`examples/${name}`, BYTES] as const),
  ])
}

const HEADERS = {
  'cache-control': 'no-store',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
}

export interface Served {
  /** URL including the token. Whoever knows it can read the file. */
  url: string
  close(): Promise<void>
}

/**
 * Starts serving on a free port.
 *
 * @param path the file to show; undefined for the start screen
 * @throws an error of the file system if the file cannot be read, or the viewer has not been built
 */
export async function serveViewer(path?: string): Promise<Served> {
  const site = { page: pageFor(path), token: randomBytes(16).toString('hex'), path, files: viewerFiles() }
  const server = createServer((request, response) => void answer(request, response, site))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, LOOPBACK, resolve)
  })
  const { port } = server.address() as AddressInfo
  return { url: `http://${LOOPBACK}:${port}/${site.token}/`, close: () => closed(server) }
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise(resolve => server.close(() => resolve()))
}

/** Returns the viewer's page, with the name of the file that it should request. */
function pageFor(path: string | undefined): string {
  const html = readFileSync(`${VIEWER_FOLDER}index.html`, 'utf8')
  if (path === undefined) return html
  if (!statSync(path).isFile())
    throw Object.assign(new Error(`${path}: expected a file`), { code: 'EINVAL', syscall: 'open' })
  const name = printable(basename(path)).replace(/[&<>"]/g, each => `&#${each.charCodeAt(0)};`)
  return html.replace('<title>', () => `<meta name="lastput-file" content="${name}" /><title>`)
}

interface Site {
  page: string
  token: string
  /** The file to show. */
  path: string | undefined
  files: ReadonlyMap<string, string>
}

async function answer(request: IncomingMessage, response: ServerResponse, site: Site): Promise<void> {
  const { page, token, path, files } = site
  const name = nameOf(request, token)
  if (name === undefined) return refuse(response, 404)
  if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(response, 405)
  if (name === '' || name === 'index.html') return send(response, files.get('index.html')!, page)
  if (name !== 'file' && !files.has(name)) return refuse(response, 404)
  if (name === 'file' && path === undefined) return refuse(response, 404)
  const file = name === 'file' ? path! : `${VIEWER_FOLDER}${name}`
  try {
    response.writeHead(200, {
      ...HEADERS,
      'content-type': files.get(name) ?? BYTES,
      'content-length': statSync(file).size,
    })
    await pipeline(createReadStream(file), response)
  } catch {
    // The file is gone or was truncated, or the client has disconnected. The browser informs its user.
    response.destroy()
  }
}

/**
 * Returns the requested name below the token. Undefined without the token, and for requests by another host name, which could
 * point at this machine (DNS rebinding).
 */
function nameOf({ headers, url = '' }: IncomingMessage, token: string): string | undefined {
  const host = headers.host?.replace(/:\d+$/, '')
  if (host !== LOOPBACK && host !== 'localhost') return undefined
  const path = url.split(/[?#]/)[0]!
  return path.startsWith(`/${token}/`) ? path.slice(token.length + 2) : undefined
}

function send(response: ServerResponse, type: string, body: string): void {
  response.writeHead(200, { ...HEADERS, 'content-type': type })
  response.end(body)
}

function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status, HEADERS)
  response.end()
}

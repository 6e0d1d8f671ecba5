// SPDX-License-Identifier: GPL-2.0-or-later
/** WebAssembly for the loops that V8 would take longer to compile well than to run. Without it, the same is done in TypeScript. */

/** Most pages of 64 KB that a memory may grow to: 4 GB. Modules are compiled for memories of that size. */
export const MAX_PAGES = 1 << 16

/** Bytes of a page of memory. */
export const PAGE_BYTES = 1 << 16

/** Compiles a module; undefined where WebAssembly is not allowed. */
export function wasmModule(base64: string): WebAssembly.Module | undefined {
  try {
    return new WebAssembly.Module(Uint8Array.from(atob(base64), c => c.charCodeAt(0)))
  } catch {
    return undefined
  }
}

/**
 * Returns a memory that can grow without detaching the arrays over it; undefined where there is none: a browser has it only for
 * pages that are isolated from other origins.
 *
 * @param pages size in pages of 64 KB to begin with
 */
export function sharedMemory(pages: number): WebAssembly.Memory | undefined {
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: MAX_PAGES, shared: true })
  } catch {
    return undefined
  }
}

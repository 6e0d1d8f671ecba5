// SPDX-License-Identifier: GPL-2.0-or-later
/** assembly/hot-loop.ts in WebAssembly, in base64: made by `npm run wasm`. */
export const WASM =
  'AGFzbQEAAAABBwFgAn9/AX8CEgEDZW52Bm1lbW9yeQIDAYCABAMCAQAHEAIDcnVuAAAGbWVtb3J5AgAKDAEKACAAKAIAIAFqCw=='

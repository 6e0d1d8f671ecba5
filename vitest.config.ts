import { defineConfig } from 'vitest/config'
import { Skips } from './test/support/skips.ts'

const LONG = 'test/**/*.long.test.ts'

export default defineConfig({
  test: {
    projects: [
      { extends: true, test: { name: 'test', include: ['test/**/*.test.ts'], exclude: [LONG] } },
      // Minutes of searching, and of whole recordings: apart, so that nobody has to wait for them at every change.
      { extends: true, test: { name: 'long', include: [LONG] } },
    ],
    setupFiles: ['test/support/seed.ts'],
    reporters: ['default', new Skips()],
    // Long enough for a machine that has much else to do: these end what hangs, and time nothing.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    // Two cores, and some tests start worker threads of their own.
    maxWorkers: 2,
  },
})

import { defineConfig } from 'vitest/config'
import { Skips } from './test/support/skips.ts'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/support/seed.ts'],
    reporters: ['default', new Skips()],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Two cores, and some tests start worker threads of their own.
    maxWorkers: 2,
  },
})

import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/hardware/**'],
    globalSetup: ['test/double/build-once.ts'],
    testTimeout: 20_000,
    hookTimeout: 30_000,
    pool: 'forks',
    maxWorkers: '100%',
    // As the bundle has it: see scripts/bundle.mjs.
    env: { READABLE_STREAM: 'disable' },
  },
});

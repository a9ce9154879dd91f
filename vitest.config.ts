import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 60_000,
    // Each worker runs ONNX Runtime with its own threads: more workers than cores would only make them wait for each other.
    pool: 'forks',
    maxWorkers: 2,
  },
});

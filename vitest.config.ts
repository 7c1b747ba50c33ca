import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{bin,src,commands,test,scripts,bench}/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // For two cores: many tests wait, for time-outs, polls and processes that end. Two would take a fifth longer; more only make the
    // classifiers and clusters that the tests start fight each other.
    maxWorkers: 3,
  },
});

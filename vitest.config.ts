import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{bin,src,commands,test,scripts,bench}/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Two cores: more workers only make the classifiers and clusters that the tests start fight each other.
    maxWorkers: 2,
  },
});

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../package.ts';
import type { ClassifyOutcome } from './classification.ts';
import { loadModel } from './model.ts';
import { type ClassifierPool, createClassifierPool } from './pool.ts';

const testData = path.resolve(packageRoot, process.env['IMGREC_TEST_DATA'] ?? '../shared');
const absent = !existsSync(path.join(testData, 'data', 'photos-200'));
const where = absent ? `skipped: no test data in ${testData}, see IMGREC_TEST_DATA` : 'with the test data';

/** Lines of a CSV file without its header; fields may be quoted. */
const rowsOf = (file: string): readonly (readonly string[])[] =>
  readFileSync(path.join(testData, file), 'utf8')
    .trim()
    .split(/\r?\n/)
    .map((line) =>
      Array.from(
        line.matchAll(/(?:^|,)(?:"([^"]*)"|([^,]*))/g),
        ([, quoted, plain]) => quoted ?? plain ?? '',
      ),
    );

describe.skipIf(absent)(`compared with Python, ${where}`, () => {
  let pool: ClassifierPool;
  beforeAll(async () => {
    pool = createClassifierPool({
      model: await loadModel(),
      classifiers: 2,
      jobTimeoutMs: 20_000,
      limits: { maxImageBytes: 10 * 2 ** 20, maxPixels: 50_000_000 },
    });
  });
  afterAll(() => pool.close());

  const labelsOf = async (folder: string, names: readonly string[]): Promise<readonly string[]> =>
    Promise.all(
      names.map(async (name) => {
        const outcome = await pool.classify(readFileSync(path.join(testData, 'data', folder, name)), {
          topK: 1,
        });
        return outcome.kind === 'classified' ? outcome.classification.label : outcome.message;
      }),
    );

  it.each([
    ['photos-200', 200],
    ['imagenet-100', 100],
  ])('gives at least 99 %% of %s the label of Python', { timeout: 120_000 }, async (folder, count) => {
    const reference = rowsOf(`models/${folder}-reference.csv`).slice(1);
    const labels = await labelsOf(
      folder,
      reference.map(([name]) => name ?? ''),
    );
    expect(labels).toHaveLength(count);
    expect(labels.filter((label, i) => label === reference[i]?.[1]).length).toBeGreaterThanOrEqual(
      count * 0.99,
    );
  });

  it('is right about at least 87 % of photos-200', { timeout: 120_000 }, async () => {
    const truth = rowsOf('data/photos-200-truth.csv');
    const labels = await labelsOf(
      'photos-200',
      truth.map(([name]) => name ?? ''),
    );
    const right = labels.filter((label, i) => truth[i]?.[1]?.split('|').includes(label));
    expect(right.length / truth.length).toBeGreaterThanOrEqual(0.87);
  });

  it('answers every malformed image, with the same processes as before', { timeout: 120_000 }, async () => {
    await pool.ready();
    const folder = path.join(testData, 'data', 'malformed');
    const names = readdirSync(folder).filter((name) => name !== 'MANIFEST.csv');
    const before = pool.pids();
    const outcomes: ClassifyOutcome[] = [];
    for (const name of names)
      outcomes.push(await pool.classify(readFileSync(path.join(folder, name)), { topK: 1 }));
    expect(outcomes.length).toBeGreaterThan(100);
    expect(outcomes.filter(({ kind }) => kind === 'bad-image').length).toBeGreaterThan(80);
    expect(pool.pids()).toEqual(before);
  });
});

// What the benches share: which images, which figures, and how they are judged.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { packageRoot } from '../dist/src/package.js';
import { readPrices } from '../dist/src/prices.js';

const data = path.resolve(packageRoot, process.env.IMGREC_TEST_DATA ?? '../shared', 'data');

/** Photographs, and images of 64 x 64 pixels. Without the test data: the sample photographs, for which nothing is promised. */
export const imageSets = (only) => {
  const sets = [
    { name: 'photos-200', title: 'photographs' },
    { name: 'imagenet-100', title: '64 x 64' },
  ]
    .map((set) => ({ ...set, folder: path.join(data, set.name) }))
    .filter(({ name, folder }) => existsSync(folder) && (only?.includes(name) ?? true));
  const samples = { name: 'samples', title: 'samples', folder: path.join(packageRoot, 'assets', 'samples') };
  return sets.length > 0 ? sets : [samples];
};

export const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
export const rounded = (value) => Number(value.toFixed(3));

/** Of a million requests: S3 PUT (and LIST), S3 GET, SQS a 64 KiB unit. */
const { perMillion } = readPrices();

/**
 * API calls an image by kind.
 * @param before and after: what the local cloud counted
 */
export const callsAnImage = (before, after, images) => {
  const calls = Object.fromEntries(
    Object.entries(after.calls)
      .map(([name, count]) => [name, (count - (before.calls[name] ?? 0)) / images])
      .filter(([name, count]) => count > 0 && !name.startsWith('admin:')),
  );
  const sum = (pattern) =>
    Object.entries(calls).reduce((total, [name, count]) => total + (pattern.test(name) ? count : 0), 0);
  const put = sum(/^s3:(Put|Copy|List|Post|Complete)/);
  const get = sum(/^s3:(Get|Head)/);
  const sqs = sum(/^sqs:/);
  const sqsUnits = (after.sqsUnits - before.sqsUnits) / images;
  const dollars = put * perMillion.s3Put + get * perMillion.s3Get + sqsUnits * perMillion.sqsRequest;
  return { calls, put, get, sqs, dollars };
};

/** Prints the figures, with --json as one last line, and ends the process: 4 when a figure misses what it must reach. */
export const conclude = (figures, json) => {
  const shown = figures.map(({ figure, value, must, aim }) => ({ figure, value: rounded(value), must, aim }));
  if (json) console.log(JSON.stringify(shown));
  else console.table(shown);
  const missed = figures.filter(
    ({ value, must, atLeast }) => must !== undefined && (atLeast ? value < must : value > must),
  );
  process.exit(missed.length > 0 ? 4 : 0);
};

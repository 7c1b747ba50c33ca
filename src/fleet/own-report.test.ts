import { expect, test } from 'vitest';
import { clusterNames } from '../aws/names.ts';
import { readOwnReport } from './own-report.ts';

const names = clusterNames('sim', '000000000000', 'us-east-1');
const readBack = (stored: string | undefined) => {
  const s3 = { get: async () => (stored === undefined ? undefined : Buffer.from(stored)) };
  return readOwnReport({ s3, names }, 'i-1');
};

test('an instance has said nothing as long as its report is missing, torn or of an unknown version', async () => {
  for (const stored of [undefined, '{"v":1,"inst', 'null', '{"v":2}'])
    expect(await readBack(stored)).toBeUndefined();
});

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { expect, test } from 'vitest';
import { startLocalCloud } from './server.ts';

const linesOf = async (callLog: boolean): Promise<readonly object[] | undefined> => {
  const stateFolder = mkdtempSync(path.join(tmpdir(), 'imgrec-call-log-'));
  const cloud = await startLocalCloud({ stateFolder, callLog });
  const { endpoint, region, accessKeyId, secretAccessKey } = cloud;
  const sts = new STSClient({ endpoint, region, credentials: { accessKeyId, secretAccessKey } });
  const file = path.join(stateFolder, 'calls.jsonl');
  try {
    await sts.send(new GetCallerIdentityCommand({}));
    if (!existsSync(file)) return undefined;
    const lines = readFileSync(file, 'utf8').trim().split('\n');
    return lines.map((line) => JSON.parse(line) as object);
  } finally {
    sts.destroy();
    await cloud.close();
    rmSync(stateFolder, { recursive: true, force: true });
  }
};

test('each call is written down with the permissions that it needs', async () => {
  expect(await linesOf(true)).toEqual([
    {
      at: expect.stringMatching(/^\d{4}-/),
      requestId: expect.stringMatching(/^L/),
      operation: 'sts:GetCallerIdentity',
      needs: [{ action: 'sts:GetCallerIdentity', resource: '*' }],
      client: expect.stringContaining('aws-sdk-js'),
    },
  ]);
});

test('nothing is written unless it is asked for', async () => {
  expect(await linesOf(false)).toBeUndefined();
});

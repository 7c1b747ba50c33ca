import { expect, test } from 'vitest';
import { CloudError } from '../aws/errors.ts';
import { createLog } from '../log.ts';
import { carryOut, type Hands } from './act.ts';

const held = { mayAct: () => true, signal: new AbortController().signal };
const log = createLog({ stderr: { write: () => true }, quiet: true, verbose: false });

/** EC2 that refuses each start with this code, and what it was asked for. */
const refusingStarts = (code: string) => {
  const calls: string[] = [];
  const ec2: Hands['ec2'] = {
    launch: () => Promise.reject(new Error('not asked for')),
    start: () => {
      const refusal = { name: code, $metadata: { httpStatusCode: 500 } };
      return Promise.reject(new CloudError('start i-1', code, true, refusal));
    },
    stop: async () => {},
    terminate: async (id) => void calls.push(`terminate ${id}`),
  };
  return { calls, hands: { ec2, drain: async () => {}, log } };
};

const start = [{ kind: 'start', id: 'i-1' }] as const;

test('a stopped instance that EC2 has no room for is ended, so that another is launched in its place', async () => {
  const { calls, hands } = refusingStarts('InsufficientInstanceCapacity');
  expect(await carryOut(start, hands, held)).toEqual([]);
  expect(calls).toEqual(['terminate i-1']);
});

test('one whose start fails for another reason is kept, and started again', async () => {
  for (const code of ['RequestLimitExceeded', 'VcpuLimitExceeded', 'InternalError']) {
    const { calls, hands } = refusingStarts(code);
    expect(await carryOut(start, hands, held)).toEqual([]);
    expect(calls).toEqual([]);
  }
});

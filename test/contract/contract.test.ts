import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ec2Cases } from './cases/ec2.ts';
import { ec2ImageCases } from './cases/ec2-images.ts';
import { ec2LifeCases } from './cases/ec2-life.ts';
import { ec2NetworkCases } from './cases/ec2-network.ts';
import { ec2SecurityCases } from './cases/ec2-security.ts';
import { ec2TemplateCases } from './cases/ec2-templates.ts';
import { iamProfileCases } from './cases/iam-profiles.ts';
import { iamRoleCases } from './cases/iam-roles.ts';
import { s3BeyondCases } from './cases/s3-beyond.ts';
import { s3BucketCases } from './cases/s3-buckets.ts';
import { s3ChecksumCases } from './cases/s3-checksums.ts';
import { s3CopyingCases } from './cases/s3-copying.ts';
import { s3ListingCases } from './cases/s3-listing.ts';
import { s3ObjectCases } from './cases/s3-objects.ts';
import { s3RangeCases } from './cases/s3-ranges.ts';
import { sqsAdministeringCases } from './cases/sqs-administering.ts';
import { sqsMessageCases } from './cases/sqs-messages.ts';
import { sqsQueueCases } from './cases/sqs-queues.ts';
import { sqsReceivingCases } from './cases/sqs-receiving.ts';
import { ssmCommandCases } from './cases/ssm-commands.ts';
import { ssmParameterCases } from './cases/ssm-parameters.ts';
import { ssmAndStsCases } from './cases/ssm-sts.ts';
import { knownDeviations } from './known-deviations.ts';
import { type ContractCase, connect, openStage } from './stage.ts';
import { type Connection, type Target, targetNames, targets } from './targets.ts';

const cases: readonly ContractCase[] = [
  ...sqsQueueCases,
  ...sqsMessageCases,
  ...sqsReceivingCases,
  ...sqsAdministeringCases,
  ...s3BucketCases,
  ...s3ObjectCases,
  ...s3ListingCases,
  ...s3RangeCases,
  ...s3CopyingCases,
  ...s3ChecksumCases,
  ...s3BeyondCases,
  ...ssmAndStsCases,
  ...ssmParameterCases,
  ...ssmCommandCases,
  ...iamRoleCases,
  ...iamProfileCases,
  ...ec2Cases,
  ...ec2LifeCases,
  ...ec2TemplateCases,
  ...ec2NetworkCases,
  ...ec2SecurityCases,
  ...ec2ImageCases,
];

/** Long enough for AWS to be consistent; the other endpoints are not given the time to be slow. */
const limitMs = (target: Target): number => (target.name === 'aws' ? 400_000 : 25_000);

interface Tally {
  ran: number;
  deviations: number;
  skipped: number;
}

const tallies = new Map<Target, Tally>();

/**
 * The SDK's errors carry the whole HTTP exchange, sockets included, and a failed test would print all of it; this
 * leaves the answer.
 */
const plain = (error: unknown): unknown => {
  if (!(error instanceof Error && '$metadata' in error)) return error;
  const { httpStatusCode } = error.$metadata as { httpStatusCode?: number };
  const short = new Error(`${error.name} (${httpStatusCode ?? 'no HTTP answer'}): ${error.message}`);
  if (error.stack !== undefined) short.stack = error.stack;
  return short;
};

const contractOf = (target: Target): void => {
  const tally: Tally = { ran: 0, deviations: 0, skipped: 0 };
  tallies.set(target, tally);
  let connection: Connection | undefined;
  let clients: ReturnType<typeof connect> | undefined;

  beforeAll(async () => {
    connection = await target.open();
    clients = connect(connection);
  });
  afterAll(async () => connection?.close());

  for (const { service, name, run } of cases) {
    if (!target.services.includes(service)) continue;
    const deviation = knownDeviations.find((known) => known.target === target.name && known.name === name);
    const perform = async (): Promise<void> => {
      tally.ran += 1;
      if (deviation) tally.deviations += 1;
      if (connection === undefined || clients === undefined) throw new Error(`${target.name} did not start`);
      const stage = openStage(connection, clients);
      try {
        await run(stage);
      } catch (error) {
        throw plain(error);
      } finally {
        await stage.close();
      }
    };
    if (deviation?.flaky) {
      tally.skipped += 1;
      console.warn(`skipped on ${target.name}: ${name}: ${deviation.reason}`);
      test.skip(`${service}: ${name}`, perform);
    } else if (deviation) test.fails(`${service}: ${name}`, perform, limitMs(target));
    else test(`${service}: ${name}`, perform, limitMs(target));
  }
};

/** One line that says how many cases really ran against each endpoint; CI looks for it. */
const summary = (): string =>
  [...tallies]
    .map(([{ name }, { ran, deviations, skipped }]) => {
      const notes = [
        ...(deviations > 0 ? [`${deviations} known deviation${deviations === 1 ? '' : 's'}`] : []),
        ...(skipped > 0 ? [`${skipped} skipped`] : []),
      ];
      return `${name} ${ran}${notes.length > 0 ? ` (${notes.join(', ')})` : ''}`;
    })
    .join(', ');

// Most cases wait most of the time; more at once would only make each look slow on two cores.
vi.setConfig({ maxConcurrency: 16 });

// Every case has queues, buckets and instances of its own, and most of them wait: they run side by side.
for (const target of targets) describe.concurrent(target.name, () => contractOf(target));

describe('the suite itself', () => {
  test('every case has a name of its own', () => {
    const names = cases.map(({ service, name }) => `${service}: ${name}`);
    expect(names).toEqual([...new Set(names)]);
  });

  test('every known deviation names a target, a case and a reason, once', () => {
    const rows = knownDeviations.map(({ target, name }) => `${target}: ${name}`);
    expect(rows).toEqual([...new Set(rows)]);
    for (const { target, name, reason } of knownDeviations) {
      expect(targetNames).toContain(target);
      expect(cases.map((known) => known.name)).toContain(name);
      expect(reason).not.toBe('');
    }
  });
});

afterAll(() => {
  process.stdout.write(`contract: ${summary()}\n`);
});

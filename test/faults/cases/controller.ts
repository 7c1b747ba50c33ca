import { tagKeys } from '../../../src/aws/names.ts';
import type { Answered } from '../../fixtures/forwarder.ts';
import { instanceType, openEyes, scaling } from '../fleet.ts';
import { becomesTrue, type Lab } from '../lab.ts';
import { peakResidentMb } from '../memory.ts';
import { openTap, type Tap } from '../tap.ts';
import { atLeast, atMost, conclude, equals, type FaultTest, isTrue, timed } from '../trial.ts';

/**
 * AWS's published rates, calls a second that may go on for ever:
 * https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html (non-mutating actions),
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html,
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html
 */
const publishedPerSecond: Readonly<Record<string, number>> = {
  'ec2:DescribeInstances': 20,
  's3:GETBucketList': 5_500,
  's3:GetObject': 5_500,
  's3:PutObject': 3_500,
  'sqs:GetQueueAttributes': 3_000,
};
/** Between two runs by default. */
const everySeconds = 10;

const messages = 1_000_000;

/** A queue of a million messages is a number to whoever only counts it. */
const withMillion = ({ body, headers, ...rest }: Answered): Answered => {
  const answer = JSON.parse(body.toString());
  const counted = Buffer.from(
    JSON.stringify({
      ...answer,
      Attributes: { ...answer.Attributes, ApproximateNumberOfMessages: String(messages) },
    }),
  );
  return { ...rest, body: counted, headers: { ...headers, 'content-length': String(counted.length) } };
};

/** Makes the tap count a million, and times the runs: from their first look to the write of what they decided. */
const timeRuns = (tap: Tap): (() => readonly number[]) => {
  const tookMs: number[] = [];
  let startedMs: number | undefined;
  tap.hook({
    onCall: ({ operation }) => {
      if (operation === 'sqs:GetQueueAttributes') startedMs ??= performance.now();
      return undefined;
    },
    onAnswer: ({ operation, key }, answered) => {
      if (operation === 'sqs:GetQueueAttributes') return withMillion(answered);
      if (operation === 's3:PutObject' && key === 'locks/scale' && startedMs !== undefined) {
        tookMs.push(performance.now() - startedMs);
        startedMs = undefined;
      }
      return undefined;
    },
  });
  return () => tookMs;
};

const inTens = async (count: number, act: (index: number) => Promise<void>): Promise<void> => {
  for (let start = 0; start < count; start += 10)
    await Promise.all(Array.from({ length: Math.min(10, count - start) }, (_, index) => act(start + index)));
};

/** What every worker says in a round of reports, 20 s after the round before. */
const report = async ({ cluster }: Lab, ids: readonly string[], round: number): Promise<void> =>
  inTens(ids.length, async (index) => {
    const id = ids[index] ?? '';
    const body = {
      ...{ v: 1, instance: id, state: 'ready', readyForSeconds: round * 20, imagesDone: round * 80 },
      ...{ busySeconds: round * 20, emptyReceivesWithBacklog: 0 },
    };
    await cluster.s3.put(
      cluster.names.opsBucket,
      `fleet/${id}.json`,
      JSON.stringify(body),
      'application/json',
    );
  });

export const thousand: FaultTest = {
  name: 'F31',
  title: 'a scaler of 1,000 instances, each with news, and 1,000,000 messages',
  run: async (trial) => {
    const count = trial.pick(100, 1_000);
    const lab = await trial.lab({ cloudArgs: ['--idle-instances'] });
    const { names } = lab.cluster;
    const eyes = openEyes(trial, lab);
    await inTens(count, async (index) => {
      await eyes.ec2.launch({
        template: names.workerName,
        instanceType,
        market: 'on-demand',
        clientToken: `token-${index}`,
        tags: {
          [tagKeys.cluster]: names.cluster,
          [tagKeys.role]: 'worker',
          [tagKeys.slot]: String(index + 1),
        },
      });
    });
    const ids = (await eyes.alive()).map(({ id }) => id);
    await report(lab, ids, 1);
    const tap = await openTap(lab.endpoint);
    trial.atEnd(tap.close);
    const runs = timeRuns(tap);
    const scaler = lab.launchScaler({ via: tap, args: scaling(count, count) });
    await scaler.ready;
    const before = new Map(tap.calls);
    const since = runs().length;
    const rounds = trial.pick(2, 12);
    for (let round = 2; round < 2 + rounds; round++) {
      const reached = runs().length + 2;
      await report(lab, ids, round);
      await becomesTrue(() => runs().length >= reached, 10_000);
    }
    const mostMb = peakResidentMb(scaler.pid);
    const took = runs().slice(since);
    scaler.signal('SIGTERM');
    const { code } = await scaler.ended;
    const aRun = (name: string) =>
      ((tap.calls.get(name) ?? 0) - (before.get(name) ?? 0)) / Math.max(1, took.length);
    const calls = Object.keys(publishedPerSecond);
    const overRate = calls.filter((name) => aRun(name) / everySeconds > (publishedPerSecond[name] ?? 0) / 2);
    const unforeseen = [...tap.calls.keys()].filter((name) => aRun(name) > 0 && !calls.includes(name));
    const slowestSeconds = Math.max(...took) / 1_000;
    trial.say(
      `${took.length} runs of ${count} instances: calls a run ${calls.map((name) => `${name} ${aRun(name).toFixed(1)}`).join(', ')}; ${slowestSeconds.toFixed(2)} s at most; ${mostMb.toFixed(0)} MB at most`,
    );
    return conclude(lab, [], undefined, async () => [
      equals('instances that live', (await eyes.alive()).length, count),
      atLeast('runs', took.length, 2 * rounds),
      isTrue('a process of Linux', mostMb > 0),
      atMost('MB, at its most', mostMb, 200),
      timed(trial, atMost('s a run, at most', slowestSeconds, 2)),
      atMost('reports read a run', aRun('s3:GetObject'), 101),
      equals('calls above half of their rate', overRate.join(), ''),
      // Launches, terminations and drains would be some.
      equals('other calls', unforeseen.join(), ''),
      equals('exit code', String(code), '0'),
    ]);
  },
};

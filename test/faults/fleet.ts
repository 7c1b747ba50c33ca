/** What tests of the scaler share: a fleet that it scales, and what they look at. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { createEc2, type FoundInstance } from '../../src/aws/ec2.ts';
import { tagKeys } from '../../src/aws/names.ts';
import { type Explanation, explainLast } from '../../src/scaling/explain.ts';
import type { Lab } from './lab.ts';
import { moduleOf } from './product.ts';
import { type Check, equals, type Trial } from './trial.ts';

export const instanceType = 'c7a.medium';

/** A cluster whose instances are workers of one classifier, launched by whoever scales. */
export const openFleet = async (trial: Trial): Promise<Lab> =>
  trial.lab({
    visibilitySeconds: 10,
    cloudArgs: ['--', process.execPath, moduleOf(trial.product, 'bin/imgrec.ts'), 'instance'],
    workerSettings: { classifiers: 1, 'poll-wait': 1, visibility: 10 },
  });

export const scaling = (min: number, max: number, ...more: readonly string[]): string[] => [
  ...['--min-workers', String(min), '--max-workers', String(max), '--every', '1s'],
  ...['--instance-types', instanceType, '--boot-time', '3s', '--grace', '20s', ...more],
];

/** What the tests themselves ask EC2. */
export const openEyes = (trial: Trial, lab: Lab) => {
  const ec2 = createEc2(lab.cluster.connection);
  trial.atEnd(() => ec2.close());
  const all = (): Promise<FoundInstance[]> =>
    ec2.find({ [tagKeys.cluster]: lab.cluster.names.cluster, [tagKeys.role]: 'worker' });
  return {
    ec2,
    all,
    alive: async () => (await all()).filter(({ state }) => state === 'pending' || state === 'running'),
    running: async () => (await all()).filter(({ state }) => state === 'running').length,
  };
};

/** Tokens that launched more than one instance. */
export const twice = (instances: readonly FoundInstance[]): number =>
  instances.length - new Set(instances.map(({ clientToken }) => clientToken)).size;

/** Workers of instances that ended without finishing what they had: their log does not say that they stopped. */
export const cutShort = (lab: Lab): string[] => {
  const folder = path.join(lab.folder, 'state', 'instances');
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((name) => {
    const log = readFileSync(path.join(folder, name), 'utf8');
    return log.includes('classifying with') && !log.includes('stopped: {');
  });
};

export const decisionsOf = (lab: Lab): Promise<Explanation[]> =>
  explainLast(lab.cluster.s3, lab.cluster.names.opsBucket, 10_000);

export const different = (decisions: readonly Explanation[]): Check =>
  equals(
    'decisions that come out differently when made again',
    decisions.filter(({ replay }) => replay !== 'same').length,
    0,
  );

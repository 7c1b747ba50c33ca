import { largeObjectLimits } from '../aws/connection.ts';
import { createS3 } from '../aws/s3.ts';
import type { Role } from '../fleet/rolling.ts';
import { architectureOf } from './architecture.ts';
import { ensureArtifact } from './artifact.ts';
import type { Clouds } from './clouds.ts';
import type { Circumstances } from './keepers/keeper.ts';
import type { MachineChoices, Surroundings } from './machines.ts';
import type { Target } from './node-binary.ts';

type Software = Surroundings['software'];

const targetOf = (instanceType: string): Target => `linux-${architectureOf(instanceType)}`;

/** Whether software has to be packed and stored before there can be machines. */
export const lacksSoftware = (software: Software): boolean => Object.values(software).includes(undefined);

/**
 * Packs and stores what machines are to fetch, once for each processor; the ops bucket must be there.
 * @throws ImgrecError when npm cannot pack it; CloudError when a call fails
 */
export const storeSoftware = async (
  { connection, names, place }: Clouds,
  choices: Pick<MachineChoices, 'instanceTypes' | 'webInstanceType'>,
  software: Software,
  { say, signal }: Circumstances,
): Promise<Software> => {
  const s3 = createS3(connection, place.account, { limits: largeObjectLimits });
  const stored = new Map<Target, string>();
  const ensure = async (role: Role, instanceType: string): Promise<string> => {
    const present = software[role];
    if (present !== undefined) return present;
    const target = targetOf(instanceType);
    const known = stored.get(target);
    if (known !== undefined) return known;
    const { sha256 } = await ensureArtifact({ s3, opsBucket: names.opsBucket, target, say, signal });
    stored.set(target, sha256);
    return sha256;
  };
  try {
    const web = await ensure('web', choices.webInstanceType);
    return { web, worker: await ensure('worker', choices.instanceTypes[0]) };
  } finally {
    s3.close();
  }
};

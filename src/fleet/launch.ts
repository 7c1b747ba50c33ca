import { randomUUID } from 'node:crypto';
import type { Ec2, FoundInstance } from '../aws/ec2.ts';
import { type ClusterNames, tagKeys } from '../aws/names.ts';

export interface LaunchPlan {
  readonly names: ClusterNames;
  readonly installId: string;
  readonly imageId: string;
  readonly instanceType: string;
}

/** States of an instance that works or will. */
export const liveStates = ['pending', 'running'] as const;

/**
 * The user data of an instance: a shell script whose second line says, for machines, what the instance is for.
 * Everything else comes from the cluster's settings parameter.
 */
export const userData = (role: 'worker' | 'web', cluster: string): string =>
  ['#!/bin/sh', `# imgrec ${JSON.stringify({ v: 1, role, cluster })}`, 'exec imgrec instance', ''].join('\n');

/** Launches one worker instance. Throws CloudError. */
export const launchWorker = (ec2: Ec2, plan: LaunchPlan): Promise<FoundInstance> =>
  ec2.launch({
    imageId: plan.imageId,
    instanceType: plan.instanceType,
    userData: userData('worker', plan.names.cluster),
    clientToken: randomUUID(),
    tags: {
      Name: plan.names.workerName,
      [tagKeys.cluster]: plan.names.cluster,
      [tagKeys.install]: plan.installId,
      [tagKeys.role]: 'worker',
    },
  });

/** The cluster's worker instances that are pending or running. Throws CloudError. */
export const liveWorkers = (ec2: Ec2, names: ClusterNames): Promise<FoundInstance[]> =>
  ec2.find({ [tagKeys.cluster]: names.cluster, [tagKeys.role]: 'worker' }, liveStates);

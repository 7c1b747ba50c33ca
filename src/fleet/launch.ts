import { randomUUID } from 'node:crypto';
import type { Ec2, FoundInstance } from '../aws/ec2.ts';
import { type ClusterNames, tagKeys } from '../aws/names.ts';
import { readBootScript, renderUserData } from './user-data.ts';

export interface LaunchPlan {
  readonly names: ClusterNames;
  readonly installId: string;
  readonly imageId: string;
  readonly instanceType: string;
  /** What a worker gets to finish what runs. */
  readonly graceSeconds: number;
  /** Absent where the image has the software in it. */
  readonly artifact?: string;
}

/** States of an instance that works or will. */
export const liveStates = ['pending', 'running'] as const;

/** Launches one worker instance. Throws CloudError. */
export const launchWorker = (ec2: Ec2, plan: LaunchPlan): Promise<FoundInstance> =>
  ec2.launch({
    imageId: plan.imageId,
    instanceType: plan.instanceType,
    userData: renderUserData(
      readBootScript(),
      { v: 1, role: 'worker', cluster: plan.names.cluster, artifact: plan.artifact },
      { graceSeconds: plan.graceSeconds },
    ),
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

import { type Cluster, openCluster } from '../aws/cluster.ts';
import type { Connection } from '../aws/connection.ts';
import { createEc2, launchLimits } from '../aws/ec2.ts';
import { CloudError, isAccessDenied } from '../aws/errors.ts';
import { readInstallId } from '../aws/install.ts';
import { createRegister, type Register } from '../aws/register.ts';
import { createSsm } from '../aws/ssm.ts';
import type { Clock } from '../clock.ts';
import { exitCodes, ImgrecError } from '../errors.ts';
import { workerRequest } from '../fleet/launch.ts';
import type { Log } from '../log.ts';
import { scalerLockKey } from '../reports/reports.ts';
import { openJournal } from './journal.ts';
import { openLease } from './lease.ts';
import type { ScaleConfig } from './plan.ts';
import { createScaler, type Scaler } from './scaler.ts';
import { createSweeper } from './sweep.ts';

/** Everything about scaling that an operator chooses. */
export type ScaleChoices = Omit<ScaleConfig, 'request'>;

/** The lock of a cluster, for whoever only reads it or gives orders. */
export const openRegister = ({ connection, identity, names }: Cluster): Register =>
  createRegister(connection, { account: identity.account, bucket: names.opsBucket, key: scalerLockKey });

const notProvisioned = (cluster: string): ImgrecError =>
  new ImgrecError(`cluster ${cluster} is not provisioned`, {
    hint: 'run "imgrec provision" first',
    exitCode: exitCodes.cloud,
  });

/** Undefined for whoever may scale and not read it. */
const installIdOf = async ({ s3, names }: Cluster): Promise<string | undefined> => {
  try {
    const id = await readInstallId(s3, names.opsBucket);
    if (id !== undefined) return id;
  } catch (error) {
    if (isAccessDenied(error)) return undefined;
    if (!(error instanceof CloudError) || error.code !== 'NoSuchBucket') throw error;
  }
  throw notProvisioned(names.cluster);
};

/** A scaler and what it holds open. */
export interface OpenedScaler extends Scaler {
  readonly cluster: Cluster;
}

export interface OpenOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** The scaler before and its fleet are known to have ended: its lease is not waited for, nor do orders of its time hold. */
  readonly takeOver?: boolean;
}

/** @throws ImgrecError (exit 3) when the cluster is not provisioned; CloudError when the cloud refuses or cannot be reached */
export const openScaler = async (
  connection: Connection,
  choices: ScaleChoices,
  { clock, log, takeOver = false }: OpenOptions,
): Promise<OpenedScaler> => {
  const cluster = await openCluster(connection);
  const { names, sqs, s3 } = cluster;
  const ec2 = createEc2(connection, launchLimits);
  const ssm = createSsm(connection);
  const register = openRegister(cluster);
  const closeClients = () => {
    for (const client of [ec2, ssm, register, cluster]) client.close();
  };
  try {
    const installId = await installIdOf(cluster);
    const sweep = createSweeper(cluster, { clock, log });
    const lease = openLease({ register, clock, takeOver });
    const scaler = createScaler({
      lease,
      sources: { sqs, s3, ec2, names },
      hands: {
        ec2,
        drain: async (id, signal) => {
          try {
            await ssm.run(names.drainDocument, id, signal);
          } catch (error) {
            // Where SSM has no such document or does not know the instance, EC2's own shutdown is a SIGTERM, too.
            if (!(error instanceof CloudError) || error.transient) throw error;
            log.debug({ id, error: error.message }, 'SSM cannot drain it: EC2 shuts it down');
            await ec2.terminate(id, signal);
          }
        },
        log,
      },
      config: {
        ...choices,
        request: (slot, pool, token) => workerRequest({ names, installId }, slot, pool, token),
      },
      journal: openJournal({ s3, bucket: names.opsBucket, clock, log }),
      afresh: takeOver,
      log,
    });
    return {
      cluster,
      run: async () => {
        const run = await scaler.run();
        if (run.kind === 'decided') await sweep(lease.time.nowMs());
        return run;
      },
      rehearse: scaler.rehearse,
      close: async () => {
        try {
          await scaler.close();
        } finally {
          closeClients();
        }
      },
    };
  } catch (error) {
    closeClients();
    throw error;
  }
};

import type { Cluster } from '../aws/cluster.ts';
import { messageOf } from '../errors.ts';
import { contractVersion } from '../jobs/contract.ts';
import type { Log } from '../log.ts';
import { type Ending, type JobOptions, sendReply } from './job.ts';
import type { Lease, Leases } from './leases.ts';

/** What a worker did, by how its deliveries ended. */
export type WorkerTotals = Readonly<
  Record<'ok' | 'failed' | 'expired' | 'deadLettered' | 'handedBack' | 'lost', number>
>;

export interface Conclusions {
  /** Deletes, hands back or sets aside a message, as its job's ending says. Throws CloudError. */
  conclude(lease: Lease, ending: Ending): Promise<void>;
  /** Hands a message back after a call to the cloud failed. */
  handBackAfterTrouble(lease: Lease): Promise<void>;
  totals(): WorkerTotals;
  /** Carries out the deletes that still wait for company. */
  flush(): Promise<void>;
}

export interface ConclusionsOptions {
  readonly cluster: Cluster;
  readonly leases: Leases;
  readonly job: JobOptions;
  readonly log: Log;
}

/** After a failed call a message becomes visible again later with each delivery, so that an outage does not use up its receives. */
const cloudTroubleSeconds = (receiveCount: number) => Math.min(60, 2 ** receiveCount);

export const createConclusions = ({ cluster, leases, job, log }: ConclusionsOptions): Conclusions => {
  const { sqs, names } = cluster;
  const remover = sqs.remover(names.requests);
  const totals = { ok: 0, failed: 0, expired: 0, deadLettered: 0, handedBack: 0, lost: 0 };

  /** Not waited for: the delete waits for company, and the next job need not. A failed one means one more delivery. */
  const remove = (lease: Lease): void => {
    leases.settle(lease);
    remover.add(lease.delivery.handle).catch((error: unknown) => {
      log.warn({ error: messageOf(error) }, 'a message could not be deleted; it will come again');
    });
  };

  const setAside = async (lease: Lease, ending: Extract<Ending, { kind: 'dead-letter' }>): Promise<void> => {
    const { messageId, body, receiveCount } = lease.delivery;
    log.warn({ messageId, reason: ending.reason }, 'a message goes to the dead letters');
    await sqs.sendDeadLetter(names.deadLetters, body, ending.reason);
    if (ending.request === undefined) return;
    // The client need not wait for its time-out. Nothing is stored: a redriven dead letter is classified anew.
    await sendReply(job, ending.request, {
      v: contractVersion,
      worker: job.worker,
      result: {
        v: contractVersion,
        id: ending.request.id,
        status: 'failed',
        label: null,
        probability: null,
        top: [],
        error: { reason: 'dead-letter', message: `set aside after ${receiveCount} tries: ${ending.reason}` },
        model: { name: job.model.name, sha256: job.model.sha256 },
      },
    });
  };

  return {
    conclude: async (lease, ending) => {
      switch (ending.kind) {
        case 'done':
          remove(lease);
          totals[ending.status]++;
          return;
        case 'dead-letter':
          await setAside(lease, ending);
          remove(lease);
          totals.deadLettered++;
          return;
        case 'hand-back':
          await leases.release(lease, ending.delaySeconds);
          totals.handedBack++;
          return;
        case 'lost':
          leases.settle(lease);
          totals.lost++;
      }
    },
    handBackAfterTrouble: async (lease) => {
      await leases.release(lease, cloudTroubleSeconds(lease.delivery.receiveCount));
      totals.handedBack++;
    },
    totals: () => ({ ...totals }),
    flush: () => remover.flush(),
  };
};

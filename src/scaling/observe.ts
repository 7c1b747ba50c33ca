import type { z } from 'zod';
import type { Ec2, FoundInstance } from '../aws/ec2.ts';
import { type ClusterNames, tagKeys } from '../aws/names.ts';
import type { S3, StoredObject } from '../aws/s3.ts';
import type { Sqs } from '../aws/sqs.ts';
import { exitCodes, ImgrecError } from '../errors.ts';
import type { DatedReport } from '../fleet/members.ts';
import {
  fleetReport,
  fleetReportPrefix,
  parseReport,
  type WebReport,
  webReport,
  webReportPrefix,
} from '../reports/reports.ts';

export interface QueueCounts {
  readonly visible: number;
  readonly inFlight: number;
  readonly delayed: number;
}

/** All that one run of the scaler looks at. */
export interface Sight {
  readonly nowMs: number;
  readonly queue: QueueCounts;
  readonly instances: readonly FoundInstance[];
  readonly reports: ReadonlyMap<string, DatedReport>;
  /** When each worker's last report was written, also where it has not been read yet. */
  readonly reportedMs: ReadonlyMap<string, number>;
  readonly webs: readonly { readonly report: WebReport; readonly atMs: number }[];
}

export interface Sources {
  readonly sqs: Pick<Sqs, 'attributes'>;
  readonly s3: Pick<S3, 'list' | 'get'>;
  readonly ec2: Pick<Ec2, 'find'>;
  readonly names: ClusterNames;
}

const countNames = [
  'ApproximateNumberOfMessages',
  'ApproximateNumberOfMessagesNotVisible',
  'ApproximateNumberOfMessagesDelayed',
] as const;

/** @throws ImgrecError (exit 3) when there is no request queue; CloudError */
export const countQueue = async ({ sqs, names }: Pick<Sources, 'sqs' | 'names'>): Promise<QueueCounts> => {
  const found = await sqs.attributes(names.requests, countNames);
  if (found === undefined)
    throw new ImgrecError(`queue ${names.requests} does not exist`, {
      hint: 'run "imgrec provision" first',
      exitCode: exitCodes.cloud,
    });
  const [visible = 0, inFlight = 0, delayed = 0] = countNames.map((name) => Number(found[name] ?? 0));
  return { visible, inFlight, delayed };
};

/** The cluster's workers, the dead of the last hour included. Throws CloudError. */
export const findWorkers = ({ ec2, names }: Pick<Sources, 'ec2' | 'names'>): Promise<FoundInstance[]> =>
  ec2.find({ [tagKeys.cluster]: names.cluster, [tagKeys.role]: 'worker' });

/** Reports read in one run; at 20 s between two reports and 10 s between two runs that is the news of 200 workers. */
const readsPerRun = 100;
/** Reads under way at once. */
const readers = 16;

interface Known<T> {
  readonly report: T;
  readonly atMs: number;
}

/**
 * Reports under a prefix, read again only when they have changed: those never read first, since they say most, then the oldest.
 * What the list says of an object that has not been read yet is when it was written.
 */
const createReader = <T>(prefix: string, form: z.ZodType<T>) => {
  const read = new Map<string, Known<T> & { readonly etag: string }>();
  const nameOf = (key: string) => key.slice(prefix.length).replace(/\.json$/, '');

  const readOne = async ({ s3, names }: Sources, { key, etag, lastModifiedMs }: StoredObject) => {
    const body = await s3.get(names.opsBucket, key);
    const report = body && parseReport(form, body);
    // Whatever cannot be understood is nobody's report; a newer version's may come to be understood.
    if (report !== undefined) read.set(nameOf(key), { etag, report, atMs: lastModifiedMs });
  };

  /** @param wanted reports of others are not read: those of instances that are gone stay in the bucket for a day */
  return async (sources: Sources, wanted: (name: string) => boolean) => {
    const objects = (await sources.s3.list(sources.names.opsBucket, prefix)).filter(({ key }) =>
      wanted(nameOf(key)),
    );
    const writtenMs = new Map(objects.map(({ key, lastModifiedMs }) => [nameOf(key), lastModifiedMs]));
    for (const name of read.keys()) if (!writtenMs.has(name)) read.delete(name);
    // Written again word for word, as a web process does that has nothing to do: news is that it is still so.
    for (const { key, etag, lastModifiedMs } of objects) {
      const known = read.get(nameOf(key));
      if (known?.etag === etag) read.set(nameOf(key), { ...known, atMs: lastModifiedMs });
    }
    const readAtMs = ({ key }: StoredObject) => read.get(nameOf(key))?.atMs ?? Number.NEGATIVE_INFINITY;
    const queue = objects
      .filter(({ key, etag }) => read.get(nameOf(key))?.etag !== etag)
      .sort((a, b) => readAtMs(a) - readAtMs(b) || a.lastModifiedMs - b.lastModifiedMs)
      .slice(0, readsPerRun);
    const reader = async () => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) await readOne(sources, next);
    };
    await Promise.all(Array.from({ length: Math.min(readers, queue.length) }, reader));
    const known: ReadonlyMap<string, Known<T>> = read;
    return { known, writtenMs };
  };
};

/** Looks at everything once a run, and remembers the reports in between. Each look throws CloudError. */
export const createObserver = (sources: Sources): ((nowMs: () => number) => Promise<Sight>) => {
  const readFleet = createReader(fleetReportPrefix, fleetReport);
  const readWebs = createReader(webReportPrefix, webReport);
  return async (nowMs) => {
    const [queue, instances, webs] = await Promise.all([
      countQueue(sources),
      findWorkers(sources),
      readWebs(sources, () => true),
    ]);
    const ids = new Set(instances.map(({ id }) => id));
    const fleet = await readFleet(sources, (name) => ids.has(name));
    return {
      nowMs: nowMs(),
      queue,
      instances,
      reports: fleet.known,
      reportedMs: fleet.writtenMs,
      webs: [...webs.known.values()],
    };
  };
};

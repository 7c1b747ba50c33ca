import type { Prices } from '../prices.ts';
import { fleetReportIntervalMs } from '../reports/reports.ts';
import { workersForRate } from './erlang.ts';
import { costOf, machineHour, type PerImage, type Standing } from './forecast.ts';

/** What a steady rate of images is reckoned with. */
export interface Plant {
  /** Images a second of one worker, and vCPUs of its instance. */
  readonly serviceRate: number;
  readonly workerVcpus: number;
  readonly workerHour: number;
  /** Images a second of one web process, and what its instance costs. */
  readonly webRate: number;
  readonly webHour: number;
  readonly perImage: PerImage;
  readonly pollWaitSeconds: number;
  readonly imageBytes: number;
  /** From a worker's receiving a message to its deleting it. */
  readonly heldSeconds: number;
}

/** One of AWS's published limits, and what is needed of it. */
export interface Limit {
  readonly what: string;
  readonly needed: number;
  /** What an account, queue or prefix has without asking. */
  readonly granted: number;
  readonly isEnough: boolean;
  /** How it is raised or kept to. */
  readonly remedy: string;
}

export interface Capacity {
  readonly imagesPerSecond: number;
  readonly workers: number;
  readonly webReplicas: number;
  readonly sqsRequestsPerSecond: number;
  readonly s3PutsPerSecond: number;
  readonly s3GetsPerSecond: number;
  readonly inGibitPerSecond: number;
  readonly inFlight: number;
  readonly storedTib: number;
  readonly dollarsAnHour: number;
  readonly dollarsAMillion: number;
  readonly limits: readonly Limit[];
}

/** A web tier is given this share of what it can do: it has to answer while one of it is replaced. */
const webLoad = 0.7;
/** Waits that a steady load may cause: at most 5 % wait longer than 10 s. */
const steadyWaitSeconds = 10;
const steadyLateShare = 0.05;

const limitsOf = (plant: Plant, capacity: Omit<Capacity, 'limits'>): Limit[] => {
  const limit = (what: string, needed: number, granted: number, remedy: string): Limit => ({
    what,
    needed,
    granted,
    isEnough: needed <= granted,
    remedy,
  });
  const reports = (capacity.workers * 1_000) / fleetReportIntervalMs;
  return [
    limit(
      'EC2 vCPUs, on-demand standard (quota L-1216C47A)',
      capacity.workers * plant.workerVcpus,
      5,
      'ask for a larger quota; spot has its own (L-34B43A08)',
    ),
    limit(
      'instances launched at once (RunInstances, resource bucket of 1,000, 2 a second after that)',
      capacity.workers,
      1_000,
      'a larger fleet grows over minutes, or the bucket is raised',
    ),
    limit(
      'messages in flight in one standard queue',
      capacity.inFlight,
      120_000,
      'workers that hold fewer messages, or a cluster for each part of the load',
    ),
    limit(
      'S3 PUT a second on one prefix',
      plant.perImage.s3Puts * 0.5 * capacity.imagesPerSecond,
      3_500,
      'S3 splits prefixes by itself as load grows, as ids are random; ask for it ahead of a known day',
    ),
    limit('S3 GET a second on one prefix', capacity.s3GetsPerSecond, 5_500, 'as for PUT'),
    limit("workers' reports, S3 PUT a second on fleet/", reports, 3_500, 'reports less often'),
  ];
};

/** What a steady rate takes. Arithmetic over measured figures and published limits, not a measurement at that rate. */
export const capacityFor = (imagesPerSecond: number, plant: Plant, prices: Prices): Capacity => {
  const { serviceRate, webRate, perImage, workerHour, webHour } = plant;
  const most = Math.ceil((2 * imagesPerSecond) / serviceRate) + 10;
  const workers = workersForRate(imagesPerSecond, serviceRate, steadyWaitSeconds, steadyLateShare, most);
  const webReplicas = Math.max(1, Math.ceil(imagesPerSecond / (webRate * webLoad)));
  const standing: Standing = { pollWaitSeconds: plant.pollWaitSeconds, webProcesses: webReplicas };
  const hour = {
    images: imagesPerSecond * 3_600,
    seconds: 3_600,
    instanceHours: workers,
    serviceRate,
  };
  const cost = costOf(hour, perImage, standing, workerHour, prices);
  const web = webReplicas * machineHour(webHour, prices);
  const millions = hour.images / 1e6;
  const found = {
    imagesPerSecond,
    workers,
    webReplicas,
    sqsRequestsPerSecond: imagesPerSecond * perImage.sqsRequests,
    s3PutsPerSecond: imagesPerSecond * perImage.s3Puts,
    s3GetsPerSecond: imagesPerSecond * perImage.s3Gets,
    inGibitPerSecond: (imagesPerSecond * plant.imageBytes * 8) / 2 ** 30,
    inFlight: Math.ceil(imagesPerSecond * plant.heldSeconds),
    storedTib: (imagesPerSecond * perImage.retentionSeconds * perImage.storedBytes) / 2 ** 40,
    dollarsAnHour: cost.total * millions + web,
    dollarsAMillion: cost.total + web / millions,
  };
  return { ...found, limits: limitsOf(plant, found) };
};

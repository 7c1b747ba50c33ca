import { hoursPerMonth, type Prices } from '../prices.ts';
import { fleetReportIntervalMs, webReportIntervalMs } from '../reports/reports.ts';

/** What one image takes besides a worker's time. */
export interface PerImage {
  /** Billed requests: S3 PUT (and LIST), S3 GET, SQS in units of 64 KiB. */
  readonly s3Puts: number;
  readonly s3Gets: number;
  readonly sqsRequests: number;
  /** What is kept of it, and how long. */
  readonly storedBytes: number;
  readonly retentionSeconds: number;
  /** What leaves AWS: the answer, with its HTTP headers. What comes in is free. */
  readonly answerBytes: number;
}

/** What workers and web processes cost while they wait. */
export interface Standing {
  readonly pollWaitSeconds: number;
  readonly webProcesses: number;
}

/** A fleet over a span of time. */
export interface Usage {
  readonly images: number;
  readonly seconds: number;
  readonly instanceHours: number;
  /** Images a second of one worker. */
  readonly serviceRate: number;
}

/** Dollars for a million images. */
export interface Cost {
  readonly compute: number;
  readonly s3Requests: number;
  readonly sqsRequests: number;
  readonly storage: number;
  readonly transfer: number;
  readonly total: number;
  /** Share of the instance-hours in which no image was worked on, booting included. */
  readonly idlePercent: number;
}

const gib = 2 ** 30;
const volumeGib = 8;
const million = 1e6;

/** An instance with its disk and its public address, an hour. */
export const machineHour = (instanceHour: number, prices: Prices): number =>
  instanceHour + (volumeGib * prices.gp3GibMonth) / hoursPerMonth + prices.publicIpv4Hour;

/** What a million images cost, by what it is paid for. Web instances are not in it: they are there whatever the policy. */
export const costOf = (
  usage: Usage,
  perImage: PerImage,
  standing: Standing,
  instanceHour: number,
  prices: Prices,
): Cost => {
  const { images, seconds, instanceHours, serviceRate } = usage;
  const { perMillion } = prices;
  const perMillionImages = (dollars: number): number => (images > 0 ? (dollars / images) * million : 0);
  const busySeconds = images / serviceRate;
  const idleSeconds = Math.max(0, instanceHours * 3_600 - busySeconds);
  const emptyPolls = (idleSeconds + standing.webProcesses * seconds) / standing.pollWaitSeconds;
  const reports =
    (instanceHours * 3_600_000) / fleetReportIntervalMs +
    (standing.webProcesses * seconds * 1_000) / webReportIntervalMs;
  const compute = perMillionImages(instanceHours * machineHour(instanceHour, prices));
  const s3Requests =
    perImage.s3Puts * perMillion.s3Put +
    perImage.s3Gets * perMillion.s3Get +
    perMillionImages((reports * perMillion.s3Put) / million);
  const sqsRequests =
    perImage.sqsRequests * perMillion.sqsRequest +
    perMillionImages((emptyPolls * perMillion.sqsRequest) / million);
  const months = perImage.retentionSeconds / 3_600 / hoursPerMonth;
  const storage = million * (perImage.storedBytes / gib) * months * prices.s3GibMonth;
  const transfer = million * (perImage.answerBytes / gib) * prices.transferOutGib;
  return {
    compute,
    s3Requests,
    sqsRequests,
    storage,
    transfer,
    total: compute + s3Requests + sqsRequests + storage + transfer,
    idlePercent: instanceHours > 0 ? (100 * idleSeconds) / (instanceHours * 3_600) : 0,
  };
};

/** An instance type at the images a second that were measured on it. */
export interface TypeCost {
  readonly type: string;
  readonly imagesPerSecond: number;
  readonly dollarsAnHour: number;
  /** Compute alone, all busy. */
  readonly dollarsAMillion: number;
}

/** Instance types by what a million images cost on them, cheapest first; types without a known price are left out. */
export const cheapestTypes = (rates: Readonly<Record<string, number>>, prices: Prices): TypeCost[] =>
  Object.entries(rates)
    .flatMap(([type, imagesPerSecond]) => {
      const price = prices.instanceHour[type];
      if (price === undefined) return [];
      const dollarsAnHour = machineHour(price, prices);
      return [
        {
          type,
          imagesPerSecond,
          dollarsAnHour,
          dollarsAMillion: (dollarsAnHour / 3_600 / imagesPerSecond) * million,
        },
      ];
    })
    .sort((a, b) => a.dollarsAMillion - b.dollarsAMillion);
